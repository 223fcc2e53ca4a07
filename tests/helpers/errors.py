"""Expecting errors by code and key instead of by sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from yt360.errors import BadItem, ErrorCode, UserError


@contextmanager
def user_error(
    code: ErrorCode, key: object | None = None
) -> Iterator[pytest.ExceptionInfo[UserError]]:
    """Expect a `UserError` of one line with this code and, unless None, this key."""
    with pytest.raises(UserError) as raised:
        yield raised
    assert raised.value.code == code, str(raised.value)
    if key is not None:
        assert raised.value.key == str(key), str(raised.value)
    assert "\n" not in str(raised.value)


@contextmanager
def bad_item(reason: str, *values: str) -> Iterator[None]:
    """Expect a `BadItem` with this reason whose detail names these values."""
    with pytest.raises(BadItem) as raised:
        yield
    assert raised.value.reason == reason, raised.value.detail
    assert all(value in raised.value.detail for value in values), raised.value.detail
