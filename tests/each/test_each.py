from __future__ import annotations

import pytest

from skedema._each import each


@pytest.mark.parametrize("in_waves", [False, True])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_results_come_in_order(n_jobs, in_waves):
    tasks = [(k, 3) for k in range(7)]
    assert list(each(divmod, tasks, n_jobs, in_waves=in_waves)) == [divmod(*t) for t in tasks]
    assert list(each(divmod, [], n_jobs, in_waves=in_waves)) == []


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_ends_all(n_jobs):
    with pytest.raises(ZeroDivisionError):
        list(each(divmod, [(4, 3), (1, 0), (5, 3)], n_jobs))
