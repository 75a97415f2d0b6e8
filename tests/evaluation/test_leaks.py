from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skedema import AttentionMixerClassifier
from skedema.evaluation import evaluate

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(80, 3)), columns=["sodium", "glucose", "age"])
Y = (X["sodium"] + RNG.normal(size=80) > 0.3).astype(int)


def test_words_for_missing_are_told_once_for_all_folds():
    words = X.assign(note=["NA", "yes", "no", "no"] * 20)
    mixer = {"mixer": AttentionMixerClassifier(max_epochs=1, random_state=0)}
    with pytest.warns(UserWarning, match="Taken as missing values.*'note', rows 0, 4,") as caught:
        evaluate(mixer, words, Y, cv=3)
    assert len(caught) == 1
    assert caught[0].filename == __file__


LEAKING = X.assign(outcome=np.where(Y, "yes", "no"), mrn=np.arange(80) + 500)


def test_leaks_are_told_once_for_all_folds():
    mixer = {"mixer": AttentionMixerClassifier(max_epochs=1, random_state=0)}
    with pytest.warns(UserWarning, match="may read the answer off") as caught:
        result = evaluate(mixer, LEAKING, Y, cv=3)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert [leak.columns for leak in result.leaks] == [("'outcome'",), ("'mrn'",)]
    assert "each class" in str(result.leaks[0])
    trusted = evaluate(mixer, LEAKING, Y, cv=3, trusted_columns=["outcome", "mrn"])
    assert trusted.leaks == ()
    with pytest.raises(ValueError, match="trusted_columns='nrm'"):
        evaluate(mixer, LEAKING, Y, cv=3, trusted_columns=["nrm"])
