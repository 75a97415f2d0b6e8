"""Settings and fixtures for all tests, the examples in docstrings included."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# Before numpy or torch is imported, or the pools are made already. Set, not defaulted: results are
# bit-equal only at the same number of threads, and two threads a process on a busy machine with
# two cores turn fractions of a second into many.
for _pool in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "VECLIB_MAXIMUM"):
    os.environ[f"{_pool}_NUM_THREADS"] = "1"
os.environ["MPLBACKEND"] = "Agg"

import pytest  # noqa: E402
import torch  # noqa: E402

torch.set_num_threads(1)

# Scripts that tests run: to look for examples in them would be to run them.
collect_ignore_glob = ["tests/data/*", "tests/*/_*.py"]
# What an example needs besides the plain install, by a word of its code.
_EXTRAS = {
    "MonaiEncoder(": "monai",
    "monai:": "monai",
    "transformers": "transformers",
    ".show(": "matplotlib",
    ".plot(": "matplotlib",
    ".report(": "jinja2",
    "onnxruntime": "onnxruntime",
    "pydicom": "pydicom",
    "polars": "polars",
    "_pages": "jinja2",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    # Not -m numerical: that would replace, not narrow, what -m the caller gives.
    parser.addoption(
        "--numerical", action="store_true", help="of the tests chosen, only those marked numerical"
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no file without a numerical test: to import all takes longer than many tests."""
    if not config.getoption("--numerical") or collection_path.suffix != ".py":
        return None
    marked = "mark.numerical" in collection_path.read_text(encoding="utf-8", errors="ignore")
    return None if marked else True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--numerical"):
        others = [item for item in items if item.get_closest_marker("numerical") is None]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item.get_closest_marker("numerical") is not None]


def pytest_collection_finish() -> None:
    """Take what is imported out of the garbage collector's rounds: half a million objects."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Give the folder of real scans, or skip."""
    folder = os.environ.get("SKEDEMA_REAL_DATA", "")
    if not folder:
        pytest.skip("SKEDEMA_REAL_DATA is not set: no real scans to test on")
    if not Path(folder).is_dir():
        pytest.fail(f"SKEDEMA_REAL_DATA names {folder!r}, which is not a folder")
    return Path(folder)


@pytest.fixture(scope="session")
def _s3_server() -> Iterator[str]:
    """Give the address of an S3 server on the loopback."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(_s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a client of an S3 server with an empty bucket "exams", which s3:// leads to."""
    import boto3

    at_home = {"AWS_ENDPOINT_URL": _s3_server, "AWS_DEFAULT_REGION": "us-east-1"}
    keys = {"AWS_ACCESS_KEY_ID": "AKIAOFTESTS", "AWS_SECRET_ACCESS_KEY": "secret-of-tests"}
    for name, value in (at_home | keys).items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="exams")
    for item in client.list_objects_v2(Bucket="exams").get("Contents", []):
        client.delete_object(Bucket="exams", Key=item["Key"])
    return client


@pytest.fixture(autouse=True)
def _nothing_known() -> None:
    """Begin each test as a new process would, without what others read, encoded and fitted."""
    from skedema._features import features
    from skedema._training.fitted import fitted
    from skedema.scans._remote.store import forget
    from skedema.scans.cache import volumes

    for cache in (volumes, features, fitted):
        cache.clear()
    forget()


@pytest.fixture(autouse=True)
def _nothing_registered() -> Iterator[None]:
    """Forget afterwards what a test registers."""
    from skedema import encoders, evaluation, fusion, refiners, scans  # noqa: F401
    from skedema._registry import _registries

    before = {registry: dict(registry._factories) for registry in _registries.values()}
    yield
    for registry, factories in before.items():
        if registry._factories != factories:
            registry._factories = factories
            registry.version += 1


@pytest.fixture(autouse=True)
def _examples_at_work(request: pytest.FixtureRequest) -> None:
    """Run a docstring's example in a folder of its own, where all it needs is installed."""
    if not isinstance(request.node, pytest.DoctestItem):
        return
    code = "".join(example.source for example in request.node.dtest.examples)
    for word, package in _EXTRAS.items():
        if word in code and find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    folder = request.getfixturevalue("tmp_path")
    request.getfixturevalue("monkeypatch").chdir(folder)
