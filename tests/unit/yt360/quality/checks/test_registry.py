"""Checks are chosen and set by name, and those of users run with the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers.errors import user_error

from yt360.media.video.frame_triplets import FrameTriplet
from yt360.quality.checks import CHECKS
from yt360.quality.checks.base import Check
from yt360.quality.configs import configure_checks, has_user_code
from yt360.quality.decision import decide
from yt360.quality.inspect import InspectOptions, inspect_file
from yt360.quality.verdict import Verdict, judge


def test_every_entry_is_what_its_class_says() -> None:
    for entry in CHECKS.entries():
        config = CHECKS.load(entry.name)
        assert (config().kind, config.needs) == (entry.name, entry.needs)


def test_options_are_set_by_name_and_text_is_converted() -> None:
    checks = configure_checks({"still-image.moving_area": "0.003", "silence.open_dbfs": -50})
    assert checks["still-image"].moving_area == 0.003
    assert checks["silence"].open_dbfs == -50
    assert not has_user_code(checks)
    assert has_user_code(configure_checks({"post-production.tagger": "a:b"}))


@pytest.mark.parametrize(
    ("key", "value", "code", "at"),
    [
        ("moving_area", "0.1", "unknown-name", "moving_area"),
        ("stil-image.moving_area", "0.1", "unknown-name", "stil-image"),
        ("still-image.moving", "0.1", "unknown-name", "moving"),
        ("still-image.moving_area", "2", "invalid", "moving_area"),
        ("still-image.moving_area", "nan", "invalid", "moving_area"),
        ("silence.open_dbfs", "-70", "invalid", None),
    ],
)
def test_wrong_settings_are_refused(key: str, value: str, code: str, at: str | None) -> None:
    with user_error(code, at):
        configure_checks({key: value})


@pytest.fixture
def counting() -> Iterator[str]:
    """A registered check of the user that counts frames."""

    @CHECKS.register
    @dataclass(frozen=True, kw_only=True)
    class CountingConfig:
        """Counts frames."""

        kind: str = "counting"
        most: int = 3
        needs = "video"
        rejects = True

        def build(self) -> Check:
            return Counting(self.most)

    yield "counting"
    del CHECKS._entries["counting"]  # a registry is for the life of a process elsewhere


class Counting(Check):
    def __init__(self, most: int) -> None:
        self.most, self.count = most, 0

    def add_frames(self, frames: FrameTriplet) -> None:
        self.count += len(frames.frames)

    def verdict(self, earlier: Mapping[str, Verdict]) -> Verdict:
        assert "still-image" in earlier
        numbers = {"frames": float(self.count)}
        return judge("counting", float(self.count > self.most), ("few", "many"), "", numbers)


def test_a_check_of_the_user_decides_with_the_others(counting: str, recordings: Path) -> None:
    inspection = inspect_file(recordings / "good.mkv")
    assert inspection.verdicts[counting].reason == "many"
    assert decide(inspection).against == (inspection.verdicts[counting],)
    lenient = InspectOptions(checks=configure_checks({"counting.most": "1000"}))
    assert has_user_code(lenient.checks)
    assert decide(inspect_file(recordings / "good.mkv", options=lenient)).against == ()
    assert counting not in inspect_file(recordings / "fuma.wav").verdicts
