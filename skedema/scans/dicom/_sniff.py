"""What a file is, by its first bytes and its name."""

from __future__ import annotations

import os

#: So many bytes tell.
HEAD = 1024

# Beginnings of files that lie beside exams: pictures, documents, archives, programs, volumes.
_OTHERS = (
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"%PDF",
    b"PK\x03\x04",
    b"Rar!",
    b"7z\xbc\xaf",
    b"\xd0\xcf\x11\xe0",  # Thumbs.db, old Office files
    b"\x7fELF",
    b"MZ",
    b"\x93NUMPY",
    b"\x5c\x01\0\0",  # NIfTI
    b"SQLite format 3",
    b"\0\x05\x16\x07",  # AppleDouble
    b"\0\0\0\x01Bud1",  # .DS_Store
    b"\0\0\x01\0",  # .ico, .cur
    b"MSCF",  # .cab
    b"ITSF",  # .chm
    b"RIFF",
    b"\x1f\x8b",  # gzip
    b"\0\x01\0\0\0",  # .ttf
    b"OTTO",
    b"\xca\xfe\xba\xbe",  # .class
    b"L\0\0\0\x01\x14\x02\0",  # .lnk
)


def starts_dicom(head: bytes) -> bool:
    """Say whether a file is DICOM by its first `HEAD` bytes.

    DICM stands at byte 128 (PS3.10, 7.1), or a data set begins at once, without preamble: with the
    length of group 2, or an element of group 8 of a plausible length.
    """
    if head[128:132] == b"DICM":
        return True
    tag, kind, length = head[:4], head[4:6], int.from_bytes(head[4:8], "little")
    if tag == b"\x02\0\0\0":
        return kind == b"UL"
    first = tag[:2] == b"\x08\0" and tag[2] <= 0x18 and tag[3:] == b"\0"
    return first and ((kind.isalpha() and kind.isupper()) or 0 < length <= 128)


def is_other_kind(name: str, head: bytes) -> bool:
    """Say whether a file that is no DICOM is plainly something else, not a damaged slice.

    So are text, hidden files, and files of a few well-known formats.
    """
    if os.path.basename(name).startswith(".") or name.lower().endswith((".nii.gz", ".tar.gz")):
        return True
    return bool(head) and (head.startswith(_OTHERS) or _is_text(head))


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16
        return True
    return not any(byte < 32 and byte not in b"\t\n\r\f\x1b\x1a" for byte in head)
