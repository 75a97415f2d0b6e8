from __future__ import annotations

import numpy as np
import pytest

from skedema.scans.errors import ScanError
from skedema.scans.files import load_scan, scan_key

sitk = pytest.importorskip("SimpleITK")

VOXELS = np.random.default_rng(0).integers(-1000, 1000, (12, 11, 10))
TURNED = [[0, -1, 0], [0.6, 0, 0.8], [-0.8, 0, 0.6]]
FORMATS = [("a.mha", False), ("a.mha", True), ("a.mhd", False), ("a.mhd", True), ("a.nrrd", False),
           ("a.nrrd", True)]  # fmt: skip


def write(path, packed, voxels=VOXELS, dtype="i2", direction=None):
    image = sitk.GetImageFromArray(voxels.T.astype(dtype))
    image.SetSpacing((0.5, 2, 3))
    image.SetOrigin((5, 6, 7))
    if direction is not None:
        image.SetDirection(np.ravel(direction).tolist())
    sitk.WriteImage(image, str(path), packed)
    return path


@pytest.mark.parametrize(("name", "packed"), FORMATS)
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
def test_voxels_are_those_that_were_written(tmp_path, name, packed, dtype):
    voxels = VOXELS if dtype[0] != "u" else np.abs(VOXELS)
    voxels = voxels % 100 if dtype[1] == "1" else voxels
    scan = load_scan(write(tmp_path / name, packed, voxels, dtype))
    assert scan.voxels.dtype == np.float32
    assert (scan.voxels == voxels).all()


@pytest.mark.parametrize(("name", "packed"), FORMATS)
def test_every_voxel_lies_where_simpleitk_says_but_in_ras(tmp_path, name, packed):
    path = write(tmp_path / name, packed, direction=TURNED)
    affine = load_scan(path).affine
    image = sitk.ReadImage(str(path))
    for index in ((0, 0, 0), (11, 10, 9), (3, 0, 7)):
        lps = np.array(image.TransformIndexToPhysicalPoint(index))
        np.testing.assert_allclose((affine @ [*index, 1])[:3], lps * [-1, -1, 1], atol=1e-9)


def changed(data, old, new):
    assert old in data
    return data.replace(old, new)


@pytest.mark.parametrize(("name", "packed"), FORMATS)
def test_damaged_voxels_are_refused(tmp_path, name, packed):
    path = write(tmp_path / name, packed)
    inside = next(tmp_path.glob("*raw"), path)
    good = inside.read_bytes()
    bad = {"cut": good[:-1], "cut more": good[:-300], "longer": good + b"x"}
    if packed:
        for k in (300, 500, 4, 6):
            bad[f"flip {k}"] = good[:-k] + bytes([good[-k] ^ 16]) + good[len(good) - k + 1 :]
    for case, data in bad.items():
        inside.write_bytes(data)
        with pytest.raises(ScanError, match=rf"^{path}: cannot be read") as caught:
            load_scan(path)
        assert "; restore or convert" in str(caught.value), case


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("a.mha", b"DimSize = 12", b"DimSize = 19", "the header promises"),
        ("a.mha", b"DimSize = 12", b"DimSize = 0", "cannot be read|no voxels"),
        ("a.mha", b"ElementDataFile = LOCAL", b"ElementDataFile = LIST", "not a file beside it"),
        ("a.mha", b"= LOCAL", b"= ../../etc/hosts", "not a file beside it"),
        ("a.mha", b"= LOCAL", b"= gone.raw", "there is no .*gone.raw"),
        ("a.mha", b"BinaryData = True", b"BinaryData = False", "binarydata is 'False'"),
        ("a.mha", b"ElementSpacing = 0.5", b"ElementSpacing = 0", "cannot be read|not usable"),
        ("a.mha", b"ElementSpacing = 0.5", b"ElementSpacing = 9e9", "check the unit"),
        ("a.mha", b"ElementDataFile", b"ElementOtherFile", "no ElementDataFile"),
        ("a.nrrd", b"encoding: raw", b"encoding: txt", "its encoding is 'txt'"),
        ("a.nrrd", b"encoding: raw", b"encoding: raw\nbyte skip: -1", "byte skip is '-1'"),
        ("a.nrrd", b"sizes: 12", b"sizes: 99999999", "voxels.*at most|cannot be read"),
        ("a.nrrd", b"NRRD0004", b"NRRD", "cannot be read"),
        ("a.nrrd", b"NRRD0004", b"HELLO", "it is no NRRD file"),
        ("a.nrrd", b"\n\n", b"\n#", "it is no NRRD file"),
    ],
)
def test_damaged_headers_are_refused(tmp_path, name, old, new, message):
    path = write(tmp_path / name, False)
    path.write_bytes(changed(path.read_bytes(), old, new))
    with pytest.raises(ScanError, match=message) as caught:
        load_scan(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_images_that_are_no_scans_are_refused(tmp_path):
    colours = sitk.GetImageFromArray(np.zeros((5, 4, 3, 3), "u1"), isVector=True)
    series = sitk.GetImageFromArray(np.zeros((2, 5, 4, 3), "i2"), isVector=False)
    flat = sitk.GetImageFromArray(np.zeros((5, 4), "i2"))
    blank = sitk.GetImageFromArray(np.zeros((20, 20, 20), "i2"))
    for image, message in (
        (colours, "holds several values a voxel"),
        (series, "4 dimensions"),
        (flat, "has 2 dimensions"),
        (blank, "is blank, all 8,000 voxels are 0"),
    ):
        sitk.WriteImage(image, str(tmp_path / "a.mha"))
        with pytest.raises(ScanError, match=message):
            load_scan(tmp_path / "a.mha")
    (tmp_path / "a.mha").write_bytes(b"")
    with pytest.raises(ScanError, match="the file is empty"):
        load_scan(tmp_path / "a.mha")


@pytest.mark.parametrize("space", ["left-posterior-superior", "RAS", "left-anterior-superior"])
def test_every_space_of_nrrd_is_turned_to_ras(tmp_path, space):
    path = write(tmp_path / "a.nrrd", False, direction=TURNED)
    path.write_bytes(changed(path.read_bytes(), b"left-posterior-superior", space.encode()))
    affine = load_scan(path).affine
    # ITK 5.4 turns RAS, but not LAS; so that its meaning is taken from the definition of NRRD
    turn = {"left-posterior-superior": (-1, -1, 1), "RAS": (1, 1, 1)}.get(space, (-1, 1, 1))
    np.testing.assert_allclose(affine[:3, 3], np.array((5, 6, 7)) * turn)
    expected = np.array(TURNED) * (0.5, 2, 3) * np.array(turn)[:, None]
    np.testing.assert_allclose(affine[:3, :3], expected, atol=1e-9)


def test_both_byte_orders_are_read(tmp_path):
    for name, old, new in (
        ("a.mha", b"BinaryDataByteOrderMSB = False", b"BinaryDataByteOrderMSB = True"),
        ("a.nrrd", b"endian: little", b"endian: big"),
    ):
        path = write(tmp_path / name, False)
        data = changed(path.read_bytes(), old, new)
        swapped = np.frombuffer(data[-2 * VOXELS.size :], "<i2").astype(">i2").tobytes()
        path.write_bytes(data[: -2 * VOXELS.size] + swapped)
        assert (load_scan(path).voxels == VOXELS).all()


def test_the_key_is_that_of_all_files(tmp_path):
    path = write(tmp_path / "a.mhd", False)
    key = scan_key(path)
    (tmp_path / "a.raw").write_bytes(b"other")
    assert scan_key(path) != key
    assert len(scan_key(write(tmp_path / "a.mha", False))) == 4


def four_dimensions(path, shape, dtype, packed=False, turn=True):
    """Write a 4-D image with SimpleITK and give the 3-D image that it makes of it."""
    voxels = np.random.default_rng(1).integers(0, 100, shape[::-1]).astype(dtype)
    image = sitk.GetImageFromArray(voxels, isVector=False)
    image.SetSpacing((0.5, 2, 3, 4))
    image.SetOrigin((5, 6, 7, 8))
    part = slice(1, 4) if shape[0] == 1 else slice(0, 3)
    direction = np.eye(4)
    if turn:
        direction[part, part] = TURNED
    image.SetDirection(direction.ravel().tolist())
    sitk.WriteImage(image, str(path), packed)
    return sitk.Extract(image, [0 if n == 1 else n for n in shape], [0] * 4)


@pytest.mark.filterwarnings("ignore:.*names no space")
@pytest.mark.parametrize(("name", "packed"), FORMATS)
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", "f8"])
@pytest.mark.parametrize("shape", [(5, 4, 3, 1), (1, 5, 4, 3)])
def test_one_volume_of_four_dimensions_is_that_of_simpleitk(tmp_path, name, packed, dtype, shape):
    expected = four_dimensions(tmp_path / name, shape, dtype, packed)
    scan = load_scan(tmp_path / name)
    assert (scan.voxels == sitk.GetArrayFromImage(expected).T).all()
    for index in ((0, 0, 0), (4, 3, 2), (2, 0, 1)):
        lps = np.array(expected.TransformIndexToPhysicalPoint(index))
        np.testing.assert_allclose((scan.affine @ [*index, 1])[:3], lps * [-1, -1, 1], atol=1e-9)


def test_a_space_that_is_not_named_is_said(tmp_path):
    four_dimensions(tmp_path / "a.nrrd", (5, 4, 3, 1), "i2")
    with pytest.warns(UserWarning, match=r"a.nrrd: names no space; .* left, back and top"):
        load_scan(tmp_path / "a.nrrd")
    data = (tmp_path / "a.nrrd").read_bytes()
    named = b"space: left-posterior-superior-time"
    (tmp_path / "a.nrrd").write_bytes(changed(data, b"space dimension: 4", named))
    assert load_scan(tmp_path / "a.nrrd").affine[0, 3] == -5


@pytest.mark.parametrize("place", [0, 3])
def test_an_axis_of_nrrd_without_a_direction_is_no_axis_of_space(tmp_path, place):
    path = write(tmp_path / "a.nrrd", False, direction=TURNED)
    plain = load_scan(path)
    data = path.read_bytes()
    directions = data.split(b"space directions: ")[1].split(b"\n")[0]
    parts, sizes, kinds = directions.split(b" "), [b"12", b"11", b"10"], [b"domain"] * 3
    for given, one in ((parts, b"none"), (sizes, b"1"), (kinds, b"list")):
        given.insert(place, one)
    data = changed(data, b"dimension: 3\n", b"dimension: 4\n").replace(
        b"space dimension: 4", b"space dimension: 3"
    )
    data = changed(data, b"sizes: 12 11 10", b"sizes: " + b" ".join(sizes))
    data = changed(data, b"kinds: domain domain domain", b"kinds: " + b" ".join(kinds))
    path.write_bytes(changed(data, directions, b" ".join(parts)))
    scan = load_scan(path)
    assert (scan.voxels == plain.voxels).all()
    np.testing.assert_array_equal(scan.affine, plain.affine)
    several = b" ".join(b"2" if size == b"1" else size for size in sizes)
    path.write_bytes(changed(path.read_bytes(), b" ".join(sizes), several))
    with pytest.raises(ScanError, match="several values a voxel"):
        load_scan(path)


@pytest.mark.parametrize("name", ["a.mha", "a.mhd", "a.nrrd"])
@pytest.mark.parametrize("shape", [(5, 4, 3, 2), (5, 1, 4, 3), (2, 5, 4, 3)])
def test_several_volumes_are_refused_with_what_gives_one(tmp_path, name, shape):
    four_dimensions(tmp_path / name, shape, "i2", turn=False)
    with pytest.raises(ScanError, match=r"4 dimensions .* e\.g\. SimpleITK") as caught:
        load_scan(tmp_path / name)
    assert "SimpleITK.ReadImage(path)[:, :, :, 0]" in str(caught.value)
    sitk.WriteImage(sitk.ReadImage(str(tmp_path / name))[:, :, :, 0], str(tmp_path / "one.mha"))
    assert load_scan(tmp_path / "one.mha").voxels.shape == shape[:3]


def test_an_axis_of_length_1_that_leans_is_refused(tmp_path):
    four_dimensions(tmp_path / "a.mha", (5, 4, 3, 1), "i2", turn=False)
    data = (tmp_path / "a.mha").read_bytes()
    matrix = data.split(b"TransformMatrix = ")[1].split(b"\n")[0]
    leaning = b" ".join([*matrix.split()[:-2], b"0.5", b"1"])
    (tmp_path / "a.mha").write_bytes(data.replace(matrix, leaning))
    with pytest.raises(ScanError, match="axis of length 1 is not at right angles"):
        load_scan(tmp_path / "a.mha")
