from __future__ import annotations

import pytest

from skedema._held import Held


class Setting:
    value = 1

    def get(self) -> int:
        return self.value

    def set(self, value: int) -> None:
        self.value = value


def test_the_last_to_leave_gives_back_what_the_first_found():
    setting = Setting()
    held = Held(setting.get, setting.set, 5)
    first, second = held(), held()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert setting.value == 5
    second.__exit__(None, None, None)
    assert setting.value == 1
    setting.value = 2  # whoever comes next finds something else
    with held():
        assert setting.value == 5
    assert setting.value == 2


def test_an_error_gives_it_back():
    setting = Setting()
    with pytest.raises(RuntimeError), Held(setting.get, setting.set, 5)():
        raise RuntimeError
    assert setting.value == 1
