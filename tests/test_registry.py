from __future__ import annotations

import shutil
import sys

import pytest

from skedema import _registry
from skedema._registry import Registry, nearest_name

GROUP = "skedema.tests"


class Plain:
    """A plug-in."""


@pytest.fixture
def registry():
    registry = Registry("encoder", GROUP)
    registry.register("plain", Plain)
    return registry


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a package with one module and entry points on the path, as an installer does."""

    def install(package: str, source: str, **points: str) -> None:
        folder = tmp_path / package
        information = folder / f"{package}-1.0.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"
        )
        lines = [f"{name} = {value}" for name, value in points.items()]
        (information / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines]))
        (folder / f"{package}.py").write_text(source)
        monkeypatch.syspath_prepend(folder)

    before = set(sys.modules)
    yield install
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_registered_name_makes_a_new_plug_in_each_time(registry):
    made = registry.make("plain")
    assert isinstance(made, Plain)
    assert registry.make("plain") is not made


def test_names_are_sorted_and_hold_those_of_installed_packages(registry, install):
    registry.register("a", Plain)
    install("foreign", "class Other: pass", other="foreign:Other")
    assert registry.names() == ["a", "other", "plain"]
    assert "foreign" not in sys.modules  # listing imports nothing
    made = registry.make("other")
    assert type(made) is sys.modules["foreign"].Other


def test_package_is_found_that_is_installed_into_a_folder_of_the_path_or_taken_away(
    registry, tmp_path, monkeypatch
):
    monkeypatch.syspath_prepend(tmp_path)
    assert registry.names() == ["plain"]
    information = tmp_path / "late-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: late\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[{GROUP}]\nother = late:Other")
    assert registry.names() == ["other", "plain"]
    shutil.rmtree(information)
    assert registry.names() == ["plain"]
    with pytest.raises(ValueError, match="Unknown encoder 'other'"):
        registry.make("other")


def test_packages_are_looked_for_once(registry, monkeypatch):
    registry.names()
    monkeypatch.setattr(_registry, "entry_points", None)  # to call it would fail
    assert registry.names() == ["plain"]
    assert isinstance(registry.make("plain"), Plain)


def test_registering_again_is_harmless_and_another_under_the_name_an_error(registry):
    registry.register("plain", Plain)
    with pytest.raises(ValueError, match="The encoder 'plain' exists already"):
        registry.register("plain", lambda: Plain())
    assert isinstance(registry.make("plain"), Plain)


@pytest.mark.parametrize("name", [None, 3, "", Plain])
def test_name_has_to_be_a_text(registry, name):
    with pytest.raises(TypeError, match="name of the encoder must be a text"):
        registry.register(name, Plain)


def test_object_in_place_of_its_class_is_an_error(registry):
    with pytest.raises(TypeError, match=r"'x': register its class .* not an object of type Plain"):
        registry.register("x", Plain())


def test_misspelt_name_gives_the_nearest(registry, install):
    install("foreign", "", swin="foreign:Swin")
    with pytest.raises(ValueError, match=r"Unknown encoder 'plian'. Did you mean 'plain'\?"):
        registry.make("plian")
    with pytest.raises(ValueError, match=r"Unknown encoder 'swim'. Did you mean 'swin'\?"):
        registry.make("swim")
    with pytest.raises(ValueError, match=r"Unknown encoder 'xyz'. Known: 'plain', 'swin'."):
        registry.make("xyz")


def test_long_list_of_names_is_cut_short():
    sentence = nearest_name("q", (f"n{i:03d}" for i in range(100)))
    assert "(100 in all)" in sentence
    assert "'n019'" in sentence
    assert "'n020'" not in sentence
    assert nearest_name("q", []) == "Known: none."


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import a_module_that_nobody_has", "ModuleNotFoundError: .*a_module_that_nobody_has"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("", "AttributeError: .*Other"),
        ("class Other", "SyntaxError"),
    ],
)
def test_package_that_cannot_be_imported_is_named(registry, install, source, reason):
    install("broken", source, other="broken:Other")
    with pytest.raises(
        ImportError,
        match=rf"encoder 'other', entry point 'other = broken:Other' of package 'broken', "
        rf"cannot be imported: {reason}.*uninstall",
    ):
        registry.make("other")
    assert isinstance(registry.make("plain"), Plain)  # the rest is not held up


def test_package_that_offers_an_object_is_named(registry, install):
    install("odd", "other = 3", other="odd:other")
    with pytest.raises(TypeError, match=r"odd:other' of package 'odd', must lead to a class"):
        registry.make("other")


def test_name_that_two_packages_claim_is_an_error(registry, install):
    install("first", "class Other: pass", other="first:Other")
    install("second", "class Other: pass", other="second:Other")
    assert registry.names() == ["other", "plain"]
    with pytest.raises(ValueError, match="2 plug-ins for encoder 'other'") as error:
        registry.make("other")
    assert "'first'" in str(error.value)
    assert "'second'" in str(error.value)


def test_package_cannot_take_over_a_registered_name(registry, install):
    install("greedy", "class Other: pass", plain="greedy:Other")
    with pytest.raises(ValueError, match=r"registered in this process; entry point .* 'greedy'"):
        registry.make("plain")


def test_one_class_under_one_name_in_two_ways_is_no_clash(registry, install):
    install("twice", "class Other: pass", other="twice:Other")
    other = type(registry.make("other"))
    registry.register("other", other)
    assert type(registry.make("other")) is other


def test_what_others_registered_is_taken_to_another_process(registry, monkeypatch):
    registry.register("inside", Registry)  # a class of the package is there in any case
    registry.register("local", lambda: registry._factories)  # and what holds modules stays here
    monkeypatch.setattr(registry, "kind", sys.stdout)
    found = [each for each in _registry.registered() if each[0] == GROUP]
    assert [name for _, name, _ in found] == ["plain"]
    monkeypatch.setattr(_registry, "_registries", {})
    there = Registry("encoder", GROUP)
    lost = (GROUP, "lost", b"cunknown\nThing\n."), ("a group that is not there", *found[0][1:])
    for _ in range(2):
        _registry.register_again([*lost, *found])
    assert isinstance(there.make("plain"), Plain)
    assert (there.names(), there.version) == (["plain"], 1)
