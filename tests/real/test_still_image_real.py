"""No moving recording is called still, black or frozen."""

from pathlib import Path

import pytest
from helpers.quality_checks import make_check
from quality.real_bench import read_labels

from yt360.media.video.frame_triplets import read_frame_triplets
from yt360.quality.verdict import Outcome

pytestmark = [pytest.mark.real, pytest.mark.slow]


def test_moving_recordings_are_accepted(real_data: Path) -> None:
    folder = real_data / "real-bench"
    if not folder.is_dir():
        pytest.skip("no labelled recordings here")
    rejected = {}
    for row in read_labels(folder):
        if row["motion"] != "motion":
            continue
        checks = [make_check(name) for name in ("still-image", "picture")]
        for frames in read_frame_triplets(folder / "clips" / row["file"]):
            for check in checks:
                check.add_frames(frames)
        for verdict in (check.verdict({}) for check in checks):
            if verdict.outcome is not Outcome.OK:
                rejected[row["file"], verdict.name] = (verdict.reason, verdict.numbers)
    assert rejected == {}
