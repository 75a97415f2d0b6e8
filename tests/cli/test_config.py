from __future__ import annotations

import tomllib

import pytest

from ._options import COLUMNS, SMALL


@pytest.fixture
def config(tmp_path):
    def write(text):
        (tmp_path / "options.toml").write_text(text, encoding="utf-8")
        return tmp_path / "options.toml"

    return write


def test_a_file_holds_options_and_the_command_line_wins(run, cohort, tmp_path, config):
    path = config(
        f'cohort = "{cohort}"\ntarget = "edema"\nimage = "scan"\nid = ["patient"]\ncv = 3\n'
        '[model]\nencoder = "cnn"\nmax_epochs = 7\n[model.volume]\nshape = 16\nspacing = 13\n'
    )
    saved = tmp_path / "saved.toml"
    arguments = ["--config", path, "--set", "max_epochs=1", "--save-config", saved, "-q"]
    ended = run("fit", *arguments, "-o", tmp_path / "model.skedema")
    assert ended.code == 0, ended.err
    held = tomllib.loads(saved.read_text())
    assert held.pop("model") == {
        "encoder": "cnn",
        "max_epochs": 1,
        "volume__shape": 16,
        "volume__spacing": 13,
    }
    assert held.pop("fit") == {"output": str(tmp_path / "model.skedema")}
    assert held == {"cohort": str(cohort), "target": "edema", "image": "scan", "id": ["patient"]}


def test_a_file_that_was_saved_asks_for_the_same(run, cohort, tmp_path):
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    saved = tmp_path / "saved.toml"
    run("embed", cohort, *COLUMNS, *SMALL[:6], "-q", "-o", one, "--save-config", saved)
    ended = run("embed", "--config", saved, "-o", two)
    assert ended.code == 0, ended.err
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cv = ", "is no TOML"),
        ("tagret = 'edema'", "Did you mean 'target'"),
        ("[modle]\nlr = 1", "Did you mean 'model'"),
        ("model = 3", "must be a table"),
        ("cv = 'five'", "'--cv'"),
    ],
)
def test_a_wrong_file_is_an_error_of_usage(run, cohort, config, text, said):
    ended = run("evaluate", cohort, "--target", "edema", "--config", config(text))
    assert ended.code == 2
    assert said in " ".join(ended.err.split())
