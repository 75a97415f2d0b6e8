from __future__ import annotations

import pytest

from skedema.cli._codes import DataError, UsageError
from skedema.cli._file import FileOptions, read_file


def read(tmp_path, content, name="cohort.csv", **options):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_file(path, FileOptions(**options))


@pytest.mark.parametrize("sep", [",", ";", "\t"])
def test_the_separator_is_found(tmp_path, sep):
    rows = [["age", "note"], ["61", "x"], ["70,5" if sep != "," else "70", "y"]]
    text = "\n".join(sep.join(row) for row in rows)
    table = read(tmp_path, text)
    assert list(table) == ["age", "note"]
    assert table["note"].tolist() == ["x", "y"]


def test_commas_in_most_cells_do_not_hide_a_semicolon(tmp_path):
    table = read(tmp_path, "a;b;c\n1,5;2,5;3,5\n4,5;5,5;6,5\n")
    assert list(table) == ["a", "b", "c"]


def test_a_tsv_file_and_a_single_column_are_taken_as_they_are(tmp_path):
    assert list(read(tmp_path, "participant_id\tage, y\nsub-1\t3\n", "participants.tsv")) == [
        "participant_id",
        "age, y",
    ]
    assert read(tmp_path, "scan\na.nii\nb.nii\n")["scan"].tolist() == ["a.nii", "b.nii"]


def test_the_separator_can_be_named(tmp_path):
    assert list(read(tmp_path, "a|b\n1|2\n", sep="|")) == ["a", "b"]
    assert list(read(tmp_path, "a\tb\n1\t2\n", sep="tab")) == ["a", "b"]
    with pytest.raises(UsageError, match="one character"):
        read(tmp_path, "a||b\n1||2\n", sep="||")


def test_rows_are_called_by_their_lines(tmp_path):
    table = read(tmp_path, 'a,b\n1,"two\nlines"\n\n3,4\n')
    assert table.index.tolist() == ["line 3", "line 5"]


def test_cells_keep_their_texts(tmp_path):
    assert read(tmp_path, "id,x\n007, 1.50\n")["id"].tolist() == ["007"]
    assert read(tmp_path, "id,x\n007, 1.50\n")["x"].tolist() == ["1.50"]


def test_a_line_with_too_few_cells_is_named(tmp_path):
    with pytest.raises(DataError, match=r"line 3: 1 cells where the header has 2"):
        read(tmp_path, "a,b\n1,2\n3\n")


@pytest.mark.parametrize("content", ["", "\n\n", "a,b\n"])
def test_a_file_without_rows_is_refused(tmp_path, content):
    with pytest.raises(DataError, match="holds no rows"):
        read(tmp_path, content)


def test_two_columns_of_a_name_are_refused(tmp_path):
    with pytest.raises(DataError, match="more than one column named 'a'"):
        read(tmp_path, "a,a\n1,2\n")


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path):
    assert list(read(tmp_path, "\ufeffage,sex\n61,f\n")) == ["age", "sex"]


def test_another_encoding_is_told_with_a_remedy_that_works(tmp_path):
    content = "name,age\nMüller,61\n".encode("cp1252")
    with pytest.raises(DataError, match=r"line 2: not written as utf-8.*--encoding cp1252"):
        read(tmp_path, content)
    assert read(tmp_path, content, encoding="cp1252")["name"].tolist() == ["Müller"]
    content = "name,age\nx,61\n".encode("utf-16")
    with pytest.raises(DataError, match="--encoding utf-16"):
        read(tmp_path, content)
    assert read(tmp_path, content, encoding="utf-16")["age"].tolist() == ["61"]
    with pytest.raises(UsageError, match="no such encoding"):
        read(tmp_path, content, encoding="utf-7.5")


def test_a_binary_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="NUL"):
        read(tmp_path, b"a\0b,c\n1,2\n")
