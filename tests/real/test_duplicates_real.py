"""Copies of real recordings are found; other moments of their places are not the same footage."""

from __future__ import annotations

import csv
import subprocess
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

from yt360.duplicates.config import DedupConfig
from yt360.duplicates.run import DedupReport, Inputs, dedup
from yt360.duplicates.sources import MediaSource
from yt360.media.ffmpeg import ffmpeg_binary

pytestmark = [pytest.mark.real, pytest.mark.slow]
YAW_DEG, TRIMMED_S = 73, 2.3


def write_copy(original: Path, copy: Path) -> Path:
    """Write a trimmed copy in half the size, turned, with little data for picture and audio."""
    turn = f"scale=iw/2:trunc(ih/4)*2,v360=e:e:yaw={YAW_DEG},format=yuv420p"
    codecs = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "33", "-c:a", "aac", "-b:a", "64k"]
    command = [ffmpeg_binary(), "-v", "error", "-ss", str(TRIMMED_S), "-i", original, "-vf", turn]
    subprocess.run([*command, *codecs, copy], check=True, stdin=subprocess.DEVNULL)
    return copy


@pytest.fixture(scope="module")
def recordings(real_data: Path) -> list[dict[str, str]]:
    """Every third recording, and all of the largest group, which are of one place."""
    labels = real_data / "real-bench" / "labels.csv"
    if not labels.exists():
        pytest.skip("no real-bench here")
    with labels.open(newline="") as file:
        rows = list(csv.DictReader(file))
    largest, _ = Counter(row["recording_group"] for row in rows).most_common(1)[0]
    return [row for n, row in enumerate(rows) if n % 3 == 0 or row["recording_group"] == largest]


@pytest.fixture(scope="module")
def one_place(recordings: list[dict[str, str]]) -> list[int]:
    """Numbers of the recordings of the largest group."""
    groups = [row["recording_group"] for row in recordings]
    return [n for n, group in enumerate(groups) if groups.count(group) > 1]


@pytest.fixture(scope="module")
def report(
    real_data: Path, recordings: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> DedupReport:
    """The duplicates among the recordings and a copy of each."""
    made = tmp_path_factory.mktemp("copies")
    sources = []
    for number, row in enumerate(recordings):
        path = real_data / "real-bench" / "clips" / row["file"]
        sources.append(MediaSource(f"original-{number}", 0.0, path))
        copy = write_copy(path, made / f"{number}.mp4")
        sources.append(MediaSource(f"copy-{number}", 0.0, copy))
    return dedup(Inputs(sources, {}, made / "duplicates"), DedupConfig(workers=2))


def test_every_copy_is_found_and_nothing_else(report):
    found = {
        frozenset((pair.video_a, pair.video_b))
        for pair in report.pairs
        if pair.match.kind == "same-footage"
    }
    count = report.recordings // 2
    assert count > 10
    assert found == {frozenset((f"original-{n}", f"copy-{n}")) for n in range(count)}
    assert len(report.groups) == count


def test_the_turn_and_the_cut_are_measured(report):
    for pair in report.pairs:
        if pair.match.kind == "same-footage":
            sign = 1 if pair.video_a.startswith("original") else -1
            assert pair.match.yaw_deg * sign == pytest.approx(YAW_DEG, abs=1)
            shift_s = (pair.match.start_a_s - pair.match.start_b_s) * sign
            assert shift_s == pytest.approx(TRIMMED_S, abs=0.4)


def test_cuts_of_one_tripod_recording_show_the_same_place(report, one_place):
    originals = {f"original-{number}" for number in one_place}
    kinds = {
        frozenset((pair.video_a, pair.video_b)): pair.match.kind
        for pair in report.pairs
        if {pair.video_a, pair.video_b} <= originals
    }
    pairs = len(list(combinations(originals, 2)))
    assert len(kinds) > 0.8 * pairs  # a camera that moved a little may be another place
    assert set(kinds.values()) == {"same-place"}
