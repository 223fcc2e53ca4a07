"""Builds without media."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers.fake_media import FakeMedia, faked_conversion


@pytest.fixture
def fake() -> Iterator[FakeMedia]:
    """Fake conversion during this test."""
    with faked_conversion() as media:
        yield media
