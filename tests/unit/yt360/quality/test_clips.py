"""Clips lie end to end or where a list says; silent ones and those without media are not kept."""

from itertools import pairwise

import numpy as np
import pytest

from yt360.catalog import Clip
from yt360.quality.checks.base import Part
from yt360.quality.clips import clips_of, why_no_clips
from yt360.quality.configs import configure_checks
from yt360.quality.inspect import Inspection
from yt360.quality.signal.levels import LevelMeter
from yt360.quality.signal.series import DirectionSeries

KNOWN = [Clip(start_s=start, origin="released") for start in (0, 10, 95)]


def a_part(levels_dbfs: list[float], start_s: float = 0.0) -> Part:
    """Return ten seconds of each level."""
    meter = LevelMeter(100)
    for level in levels_dbfs:
        meter.feed(np.full(1000, 10 ** (level / 20), np.float32))
    covered_s = (0.0, 10.0 * len(levels_dbfs))
    return Part(start_s=start_s, covered_s=covered_s, levels=meter)


def inspection_of(*parts: Part) -> Inspection:
    nothing = np.zeros((0, 2), np.float32)
    return Inspection(
        name="x", verdicts={}, parts=list(parts), directions=DirectionSeries(), motion=nothing
    )


def an_inspection(levels_dbfs: list[float], start_s: float = 0.0) -> Inspection:
    return inspection_of(a_part(levels_dbfs, start_s))


def test_clips_lie_end_to_end_and_silent_ones_are_dropped() -> None:
    clips = clips_of(an_inspection([-20, -58, -90, -58, -30], start_s=100))
    assert [clip.start_s for clip in clips] == [100, 110, 120, 130, 140]
    assert [clip.kept for clip in clips] == [True, True, False, False, True]
    assert [clip.reason for clip in clips] == [None, None, "silent", "silent", None]


def test_known_clips_keep_their_times_and_origin() -> None:
    known = [Clip(start_s=start, origin="released") for start in (3, 15, 95)]
    clips = clips_of(an_inspection([-20, -90, -90]), known)
    assert [(clip.start_s, clip.origin) for clip in clips] == [
        (3, "released"), (15, "released"), (95, "released"),
    ]  # fmt: skip
    assert [clip.reason for clip in clips] == [None, "silent", "not-covered"]


def test_a_clip_in_two_overlapping_sections_is_taken_from_the_one_that_holds_it_whole() -> None:
    sections = inspection_of(a_part([-20, -20, -20], 0.0), a_part([-40, -40], 19.5))
    known = [Clip(start_s=start, origin="released") for start in (19, 20, 25)]
    levels = [(c.start_s, c.numbers["level_dbfs"]) for c in clips_of(sections, known)]
    assert levels == [(19, -20), (20, -20), (25, -40)]
    own = [clip.start_s for clip in clips_of(sections)]
    assert own == sorted(set(own))
    assert all(after - before >= 10 for before, after in pairwise(own))


def test_the_levels_that_separate_silence_are_those_of_the_check() -> None:
    loud = configure_checks({"silence.open_dbfs": -10.0, "silence.close_dbfs": -15.0})
    inspection = an_inspection([-5, -12, -20])
    inspection.checks = loud
    assert [clip.kept for clip in clips_of(inspection)] == [True, True, False]


@pytest.mark.parametrize(
    ("inspection", "given", "told"),
    [
        (an_inspection([-90, -90]), KNOWN, "its clips: 2 silent, 1 not covered"),
        (an_inspection([-90, -90]), [], "its clips: 2 silent"),
        (an_inspection([-20]), KNOWN[2:], "its clips: 1 not covered"),
        (inspection_of(Part(covered_s=(0.5, 9.0), levels=LevelMeter(100))), [], "not cover 10"),
        (inspection_of(Part(covered_s=(0.0, 60.0))), [], "not cover 10"),
    ],
)
def test_the_reason_why_no_clip_is_kept(
    inspection: Inspection, given: list[Clip], told: str
) -> None:
    why = why_no_clips(clips_of(inspection, given))
    assert told in why and "loud" not in why
