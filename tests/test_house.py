from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import runpy
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import skedema

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def public_objects() -> Iterator[tuple[str, object]]:
    """Give every name in an `__all__` of the package, and the methods of its classes, once."""
    modules = [skedema]
    for found in pkgutil.walk_packages(skedema.__path__, "skedema."):
        if not any(part.startswith("_") for part in found.name.split(".")):
            modules.append(importlib.import_module(found.name))
    seen = set()
    for module in modules:
        for name in getattr(module, "__all__", ()):
            thing = getattr(module, name)
            if not callable(thing) or not getattr(thing, "__module__", "").startswith("skedema"):
                continue  # versions and other constants, whole submodules, what is re-exported
            members = {name: thing}
            if inspect.isclass(thing):
                members |= {f"{name}.{key}": value for key, value in own_members(thing)}
            for path, member in members.items():
                if id(member) not in seen:
                    seen.add(id(member))
                    yield f"{module.__name__}.{path}", member


def own_members(cls: type) -> Iterator[tuple[str, object]]:
    """Give the public methods and properties that a class, or a private base, describes."""
    private = [base for base in cls.__mro__[1:] if re.match(r"skedema\b.*\._", base.__module__)]
    for key, value in (item for each in (cls, *private) for item in vars(each).items()):
        plain = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        inherits = not plain.__doc__ and inspect.getdoc(plain)
        if key.startswith("_") or inherits:
            continue
        if inspect.isfunction(plain) or isinstance(plain, property):
            yield key, plain


@pytest.mark.filterwarnings("ignore::DeprecationWarning:docutils")
def test_public_names_have_valid_numpydoc():
    from numpydoc.validate import validate

    everything, *exceptions = PROJECT["tool"]["numpydoc_validation"]["checks"]
    assert everything == "all"
    errors = []
    for name, thing in public_objects():
        is_method = "." in thing.__qualname__ if inspect.isfunction(thing) else not callable(thing)
        excepted = set(exceptions)
        if not is_method:
            excepted.remove("EX01")
        found = validate(name)["errors"]
        errors += [f"{name} {code}: {text}" for code, text in found if code not in excepted]
    assert not errors, "\n" + "\n".join(errors)


def test_every_name_in_all_exists():
    missing = []
    for found in pkgutil.walk_packages(skedema.__path__, "skedema."):
        module = importlib.import_module(found.name)
        missing += [
            f"{found.name}.{name}"
            for name in getattr(module, "__all__", ())
            if not hasattr(module, name)
        ]
    assert not missing


def test_version_is_the_same_everywhere():
    # pyproject.toml reads it from the package; an install that is out of date shows here
    from importlib.metadata import version

    assert PROJECT["tool"]["hatch"]["version"]["path"] == "skedema/__init__.py"
    assert version("skedema") == skedema.__version__
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (\S+)$", citation, re.MULTILINE).group(1) == skedema.__version__


def test_messages_name_the_packages_of_the_extras():
    from skedema._extras import PACKAGES, how_to_install

    extras = PROJECT["project"]["optional-dependencies"]
    for extra, packages in PACKAGES.items():
        assert sorted(packages) == sorted(re.match(r"[\w-]+", p).group() for p in extras[extra])
    assert how_to_install("plot") == "pip install matplotlib"


def test_no_page_or_message_installs_what_no_index_has():
    texts = [*(ROOT / "skedema").rglob("*.py"), *(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    for path in texts:
        found = re.findall(r"pip install '?skedema\[.*", path.read_text(encoding="utf-8"))
        assert not found, path


def drawing(path: Path) -> tuple[str, list[str]]:
    """Give the version of matplotlib that made an SVG, and the texts in it, in order."""
    text = path.read_text(encoding="utf-8")
    return re.search(r"Matplotlib v[\d.]+", text).group(), re.findall("<!--(.*?)-->", text)


def test_picture_is_what_its_script_draws(tmp_path):
    pytest.importorskip("matplotlib")
    drawn = tmp_path / "model.svg"
    runpy.run_path(str(ROOT / "docs" / "draw_model.py"))["main"](drawn)
    committed = ROOT / "docs" / "model.svg"
    if drawing(drawn)[0] == drawing(committed)[0]:
        assert drawn.read_bytes() == committed.read_bytes(), "run `make picture`"
    else:  # another matplotlib may place a point elsewhere, but says the same
        assert drawing(drawn)[1] == drawing(committed)[1], "run `make picture`"


def test_readme_has_exactly_the_two_commands():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    commands = [text.strip() for language, text in blocks if not language]
    assert commands == ["make demo", "make test"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test"):
        assert re.search(rf"^{target}:.*  ## ", makefile, re.MULTILINE), f"no target {target}"


def test_links_between_documents_lead_somewhere():
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    dead = [
        f"{document.relative_to(ROOT)}: {link}"
        for document in documents
        for link in re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8"))
        if "://" not in link and not (document.parent / link).exists()
    ]
    assert not dead


def bounds(requirements: list[str]) -> dict[str, str]:
    return dict(requirement.split(">=") for requirement in requirements)


def test_minimum_constraints_are_the_lower_bounds():
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    declared = bounds(project["dependencies"])
    for extra in set(extras) - {"dev"}:
        declared |= bounds(extras[extra])
    lines = (ROOT / ".ci" / "constraints-minimum.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert pinned == declared


LONGEST_FILE, LONGEST_CLASS = 400, 350
LONG = {"skedema/classifier.py"}  # its parameters alone take 150 lines to describe


def test_files_and_classes_are_short():
    long = set()
    for source in (ROOT / "skedema").rglob("*.py"):
        text = source.read_text(encoding="utf-8")
        classes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)]
        longest = max((node.end_lineno - node.lineno + 1 for node in classes), default=0)
        if text.count("\n") > LONGEST_FILE or longest > LONGEST_CLASS:
            long.add(source.relative_to(ROOT).as_posix())
    assert long == LONG


def imported_packages() -> set[str]:
    """Give the third-party packages that the source imports, wherever it does so."""
    found = set()
    for source in (ROOT / "skedema").rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"skedema"}


def test_dependencies_are_what_the_source_imports():
    project = PROJECT["project"]
    needed = {name.replace("scikit-learn", "sklearn") for name in bounds(project["dependencies"])}
    optional = set(project["optional-dependencies"])
    optional |= {
        name
        for extra, requirements in project["optional-dependencies"].items()
        if extra != "dev"
        for name in bounds(requirements)
    }
    imported = imported_packages()
    assert imported <= needed | optional, "imported, but in no list of pyproject.toml"
    assert needed <= imported, "in pyproject.toml, but never imported"


def test_changelog_fragments_have_a_known_kind():
    kinds = {"added", "changed", "fixed", "deprecated", "removed"}
    for fragment in (ROOT / "docs" / "changes").glob("*.md"):
        if fragment.name != "README.md":
            assert re.fullmatch(r"[a-z0-9-]+\.(\w+)\.md", fragment.name), fragment.name
            assert fragment.name.split(".")[1] in kinds, fragment.name
