"""No real recording is said to be narrated, and narrations over them are found."""

import csv
from pathlib import Path

import pytest
from quality.over_recordings import Job, run_job

from yt360.quality.speech import weights_path
from yt360.quality.verdict import Outcome

pytestmark = [pytest.mark.real, pytest.mark.slow]


def recordings(real_data: Path) -> list[Path]:
    folder = real_data / "real-bench"
    with (folder / "labels.csv").open(newline="") as file:
        return [
            folder / "clips" / row["file"]
            for row in csv.DictReader(file)
            if row["sound"].startswith("foa")
        ]


def test_real_recordings_have_no_overlay(real_data: Path) -> None:
    for path in recordings(real_data):
        assert run_job(Job(path)).defect_probability < 0.35, path.name


@pytest.mark.parametrize("way", ["w", "middle-side", "left-right"])
def test_narrations_as_loud_as_the_recording_are_found(real_data: Path, way: str) -> None:
    if weights_path() is None:
        pytest.skip("silero-vad is not installed")
    pytest.importorskip("espeakng_loader")
    paths = recordings(real_data)
    found = sum(run_job(Job(path, way)).outcome is Outcome.NOT_OK for path in paths)
    assert found >= 0.9 * len(paths)


def test_voices_of_people_at_the_recording_are_not_found(real_data: Path) -> None:
    pytest.importorskip("espeakng_loader")
    for path in recordings(real_data):
        assert run_job(Job(path, "a person", 6)).outcome is not Outcome.NOT_OK, path.name
