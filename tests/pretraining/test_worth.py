from __future__ import annotations

import pickle
import signal

import numpy as np
import pytest
import torch

from skedema import VolumeReader
from skedema._pretraining import worth as module
from skedema._pretraining.worth import Worth, n_to_check
from skedema.evaluation.statistics import delong_test

from .conftest import make_scan, same_weights

SCANS = [make_scan(number) for number in range(30)]


@pytest.mark.parametrize(
    ("check", "n_scans", "n_epochs", "n"),
    [
        ("auto", 1000, 100, 200),
        ("auto", 100, 10, 50),
        ("auto", 100, 3, 0),
        ("auto", 19, 100, 0),
        ("auto", 1000, 0, 0),
        (40, 1000, 1, 40),
        (1000, 300, 1, 300),
        (19, 1000, 1, 0),
        (0, 1000, 100, 0),
        (100, 1000, 0, 0),
    ],
)
def test_as_many_scans_are_looked_at_as_asked_for_or_as_cost_a_tenth(check, n_scans, n_epochs, n):
    assert n_to_check(check, n_scans, n_epochs) == n


def test_fit_tells_once_and_keeps_what_it_found(autoencoder, capsys):
    fitted = autoencoder(check=24).fit(SCANS)
    found = fitted.check_
    assert found.n_scans == 24
    assert found.low <= found.difference <= found.high
    assert found.difference == found.auc - found.auc_random
    output = capsys.readouterr()
    assert output.err == f"{found}\n"
    assert output.out == ""
    assert pickle.loads(pickle.dumps(fitted)).check_ == found


def test_it_changes_no_weight_and_no_random_number(autoencoder):
    torch.manual_seed(0)
    with_check = autoencoder(check=24).fit(SCANS)
    state = torch.get_rng_state()
    without = autoencoder(check=0).fit(SCANS)
    assert torch.equal(state, torch.get_rng_state())
    assert without.check_ is None
    assert same_weights(with_check, without)
    np.testing.assert_array_equal(with_check.transform(SCANS), without.transform(SCANS))


def test_the_seed_decides_also_of_a_run_that_goes_on(autoencoder, tmp_path):
    one = autoencoder(check=24, checkpoint_dir=tmp_path).fit(SCANS).check_
    assert autoencoder(check=24, checkpoint_dir=tmp_path).fit(SCANS).check_ == one
    assert autoencoder(check=24).fit(SCANS).check_ == one
    assert autoencoder(check=24, random_state=1).fit(SCANS).check_ != one


def test_a_run_that_began_with_the_weights_of_another_is_not_compared_with_random_ones(
    autoencoder, capsys
):
    fitted = autoencoder(check=24, max_epochs=1, warm_start=True).fit(SCANS)
    assert fitted.check_ is not None
    capsys.readouterr()
    assert fitted.fit(SCANS).check_ is None
    assert fitted.set_params(dim=32).fit(SCANS).check_ is None
    assert capsys.readouterr().err == ""


def test_rows_of_numbers_are_checked_as_the_scans_they_are(autoencoder):
    reader = VolumeReader(shape=12)
    rows = reader.transform(SCANS).reshape(len(SCANS), -1)
    assert autoencoder(check=24).fit(rows).check_ == autoencoder(check=24).fit(SCANS).check_


def test_weights_that_see_beat_weights_that_do_not(autoencoder, monkeypatch):
    new_module = module.new_module

    def blind(*args):
        made = new_module(*args)
        torch.nn.init.zeros_(made.embed.weight)
        return made

    scans = [np.random.default_rng(k).normal(35, 1, (12, 12, 12)) for k in range(120)]
    monkeypatch.setattr(module, "new_module", blind)
    found = autoencoder(check=120, max_epochs=1).fit(scans).check_
    assert found.auc > 0.8
    assert found.auc_random < 0.7
    assert found.low > 0
    assert "max_epochs" not in str(found)


def test_what_it_says_follows_from_the_interval():
    assert "no clear gain; max_epochs=0" in str(Worth(100, 0.82, 0.81, -0.01, 0.03))
    assert "That is worse; max_epochs=0" in str(Worth(100, 0.72, 0.81, -0.12, -0.06))
    text = str(Worth(100, 0.92, 0.81, 0.05, 0.17))
    assert "0.920, and with 0.810" in text
    assert text.endswith("+0.110 (95 %: +0.050 to +0.170).")


def test_the_interval_is_delongs():
    rng = np.random.default_rng(0)
    label = rng.random(60) < 0.4
    first, second = rng.normal(label, 1, (2, 3, 60))
    wins = module._wins(label, first) - module._wins(label, second)
    expected = delong_test(label, first, second)
    low, high = module._interval(wins)
    assert wins.mean() == pytest.approx(expected.difference)
    assert high - wins.mean() == pytest.approx(1.959964 * expected.standard_error)
    assert wins.mean() - low == pytest.approx(1.959964 * expected.standard_error)


def test_scans_of_no_head_and_part_fits_have_no_check(autoencoder, capsys):
    air = [np.full((12, 12, 12), -1000.0) + np.arange(12) for _ in range(24)]
    fitted = autoencoder(check=24, max_epochs=1).fit(air)
    assert fitted.check_ is None
    fitted = autoencoder(check=24, max_epochs=1).fit(SCANS)
    assert fitted.check_ is not None
    capsys.readouterr()
    assert fitted.partial_fit(SCANS).check_ is None
    assert capsys.readouterr().err == ""


def test_an_interrupt_of_the_check_leaves_the_weights(autoencoder, monkeypatch):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def stop(*_):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(module, "with_lesion", stop)
    fitted = autoencoder(check=24)
    try:
        with pytest.raises(KeyboardInterrupt):
            fitted.fit(SCANS)
    finally:
        signal.signal(signal.SIGINT, before)
    assert fitted.check_ is None
    assert same_weights(fitted, autoencoder(check=0).fit(SCANS))
