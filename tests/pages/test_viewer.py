from __future__ import annotations

import base64
import gzip
import hashlib
import io

import nibabel
import numpy as np
import pytest
from numpy.testing import assert_allclose

from skedema._pages import Case, Page, Section, Show, Viewer, packed_relevance, packed_scan
from skedema._pages.page import _static

from .._chromium import Watched, chromium

pytest.importorskip("jinja2")
AFFINE = np.array([[-1.0, 0, 0, 90], [0, 1, 0, -110], [0, 0, 5, -60], [0, 0, 0, 1]])


def unpacked(text):
    content = gzip.decompress(base64.b64decode(text))
    return nibabel.Nifti1Image.from_bytes(content)


def head(seed=0):
    """A ball of brain in a shell of bone, of 1 x 1 x 5 mm, with a bright spot in it."""
    rng = np.random.default_rng(seed)
    at = np.meshgrid(*[np.arange(n) for n in (120, 140, 24)], indexing="ij")
    mm = [(a - n / 2) * s for a, n, s in zip(at, (120, 140, 24), (1, 1, 5), strict=True)]
    radius = np.sqrt(sum(m**2 for m in mm))
    hu = np.where(radius < 50, 35.0, np.where(radius < 56, 900.0, -1000.0))
    hu += rng.normal(0, 4, hu.shape)
    spot = np.sqrt((mm[0] - 20) ** 2 + mm[1] ** 2 + mm[2] ** 2) < 12
    hu[spot & (radius < 50)] = 70
    return hu.astype(np.float32), spot.astype(np.float32)


def test_packed_scan_is_smaller_and_lies_where_the_scan_lies():
    hu, _ = head()
    image = unpacked(packed_scan(hu, AFFINE))
    assert image.shape == (60, 70, 24)
    assert_allclose(image.header.get_zooms(), [2, 2, 5])
    corner = image.affine @ [0, 0, 0, 1]
    assert_allclose(corner, AFFINE @ [0.5, 0.5, 0, 1])  # the middle of the voxels that it is of
    voxels = np.asarray(image.dataobj)
    clipped = np.clip(hu, -150, 350).reshape(60, 2, 70, 2, 24).mean(axis=(1, 3))
    assert_allclose(voxels, clipped, atol=0.51)


def test_packed_relevance_keeps_its_sign_and_order():
    rng = np.random.default_rng(0)
    relevance = rng.normal(size=(8, 8, 8)).astype(np.float32) * 1e-4
    voxels = unpacked(packed_relevance(relevance, np.diag([4.0, 4, 4, 1]))).get_fdata()
    assert_allclose(voxels, relevance / np.abs(relevance).max(), atol=1 / 254 + 1e-6)


def test_header_says_nothing_but_the_grid():
    header = unpacked(packed_scan(head()[0], AFFINE)).header
    for name in ("descrip", "aux_file", "intent_name", "db_name"):
        assert not header[name].tobytes().strip(b"\0") if name in header else True
    packed = base64.b64decode(packed_scan(head()[0], AFFINE))
    assert packed[3] == 0  # no name in the gzip header
    assert packed[4:8] == b"\0\0\0\0"  # and no time


def test_viewer_is_the_package_that_its_licence_speaks_of():
    licence = _static("niivue.LICENSE.txt")
    assert "0.69.0" in licence
    assert "BSD 2-Clause" in licence
    digest = hashlib.sha256(_static("niivue.umd.js").encode()).hexdigest()
    assert digest in licence


def test_only_a_page_with_scans_holds_the_viewer():
    assert "niivue" not in Page("sections.html", title="T", sections=[Section("S")]).html


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    cases = []
    for number in range(2):
        hu, spot = head(number)
        cases.append(Case(f"Patient {number + 1}", packed_scan(hu, AFFINE)))
        if number == 0:
            relevance, place = (
                packed_relevance(spot, AFFINE),
                (AFFINE @ [40, 70, 12, 1])[:3].tolist(),
            )
            cases[0] = Case("Patient 1", cases[0].scan, relevance, place)
    made = Page("sections.html", title="T", sections=[Section("S", [Viewer(cases), Show(1)])])
    path = tmp_path_factory.mktemp("viewer") / "page.html"
    made.save_as_html(path)
    return path


@pytest.fixture(scope="module")
def watched(path):
    with chromium() as browser:
        watched = Watched(browser, path)
        watched.until("window.viewer")
        yield watched


def seen(watched):
    """What the canvas shows, as an array."""
    from matplotlib.image import imread

    return imread(io.BytesIO(watched.page.locator("#viewer-canvas").screenshot()))[..., :3]


def state(watched):
    return watched.page.evaluate(
        "({at: viewer.position(), low: viewer.nv.volumes[0].cal_min,"
        " high: viewer.nv.volumes[0].cal_max, volumes: viewer.nv.volumes.length,"
        " opacity: viewer.nv.volumes.length > 1 ? viewer.nv.volumes[1].opacity : null})"
    )


def test_viewer_shows_scan_and_relevance(watched):
    now, picture = state(watched), seen(watched)
    assert_allclose(now["at"], [(119 - 40) / 2, 70 / 2, 12], atol=1)  # x grows to the right there
    assert (now["low"], now["high"], now["volumes"]) == (0, 80, 2)
    assert picture.std() > 0.1  # not one colour
    coloured = picture.max(axis=2) - picture.min(axis=2) > 0.3
    assert coloured.any()
    watched.page.locator("#viewer-opacity").fill("0")
    assert (seen(watched).max(axis=2) - seen(watched).min(axis=2) > 0.3).sum() < coloured.sum()
    watched.page.locator("#viewer-opacity").fill("0.6")


def test_viewer_scrolls_by_slider_keys_and_wheel(watched):
    page = watched.page
    page.locator("#viewer-slice").fill("5")
    assert state(watched)["at"][2] == 5
    before = seen(watched)
    page.focus("#viewer-canvas")
    page.keyboard.press("PageUp")
    page.keyboard.press("PageUp")
    assert state(watched)["at"][2] == 7
    assert (seen(watched) != before).any()
    x, y, _ = state(watched)["at"]
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    assert state(watched)["at"][:2] == [x - 1, y + 1]
    assert "axial slice 8 of 24" in page.inner_text("#viewer-state")
    box = page.locator("#viewer-canvas").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, 120)
    page.wait_for_timeout(200)
    assert state(watched)["at"] != [x - 1, y + 1, 7]


def test_viewer_leaves_the_wheel_to_who_only_passes_by(watched):
    page = watched.page
    page.evaluate("document.activeElement.blur()")
    box, before = page.locator("#viewer-canvas").bounding_box(), state(watched)["at"]
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.wheel(0, 120)
    page.wait_for_timeout(200)
    assert state(watched)["at"] == before


def test_windows_change_what_is_seen(watched):
    page = watched.page
    before = seen(watched)
    page.get_by_role("button", name="Subdural 200/80").click()
    now = state(watched)
    assert (now["low"], now["high"]) == (-20, 180)
    assert (seen(watched) != before).any()
    assert page.get_attribute("[data-window='2']", "aria-pressed") == "true"
    assert page.get_attribute("[data-window='0']", "aria-pressed") == "false"
    page.focus("#viewer-canvas")
    page.keyboard.press("2")
    assert (state(watched)["low"], state(watched)["high"]) == (20, 60)
    page.keyboard.press("1")


def test_planes_and_cases_are_switched(watched):
    page = watched.page
    page.get_by_role("button", name="Coronal").click()
    assert page.evaluate("viewer.nv.opts.sliceType") == 1
    page.get_by_role("button", name="Show in the viewer").click()
    watched.until("viewer.nv.volumes.length == 1")
    assert "Patient 2" in page.inner_text("#viewer-state")
    assert page.locator("#viewer-case").input_value() == "1"
    assert not page.locator(".viewer-relevance").is_visible()
    page.select_option("#viewer-case", "0")
    watched.until("viewer.nv.volumes.length == 2")
    page.get_by_role("button", name="All planes").click()


def test_viewer_asks_no_network_and_complains_of_nothing(watched):
    assert watched.requests
    assert not watched.network
    assert not watched.complaints


def test_without_webgl2_it_is_said_and_the_rest_stays(watched, path):
    context = watched.context.browser.new_context()
    context.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.locator(".viewer-missing").is_visible()
    assert not page.locator(".viewer-works").is_visible()
    assert not page.locator(".viewer-show").is_visible()
    context.close()
