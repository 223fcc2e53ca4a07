"""Fixtures for tests of yt360."""

from __future__ import annotations

import pytest
from helpers.in_process import in_process

from yt360.execution import isolation


@pytest.fixture
def reading_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands read media in this process: for tests in which nothing crashes."""
    monkeypatch.setattr(isolation, "IsolatedProcess", lambda *_: in_process())
