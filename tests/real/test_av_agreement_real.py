"""Sound and picture of labelled recordings agree, and disagree once channels are exchanged."""

from pathlib import Path

import pytest
from quality.real_agreement import answer, verdicts_by_change
from quality.real_bench import Row, read_labels

from yt360.quality.signal.channel_changes import AS_READ, CHANGES, FUMA_ORDER
from yt360.quality.verdict import Outcome, Verdict

pytestmark = [pytest.mark.real, pytest.mark.slow]

Found = list[tuple[Row, dict[str, Verdict]]]


@pytest.fixture(scope="module")
def found(real_data: Path) -> Found:
    folder = real_data / "real-bench"
    if not folder.is_dir():
        pytest.skip("no labelled recordings here")
    labels = [row for row in read_labels(folder) if row["sound"].startswith(("foa", "fuma"))]
    return [(row, verdicts_by_change(folder / "clips" / row["file"])) for row in labels]


def test_no_usable_recording_is_called_wrong(found: Found) -> None:
    for label, verdicts in found:
        if label["sound"].startswith("foa"):
            verdict = verdicts[AS_READ.name]
            # Half of what would be unsure; without a clear source, nothing is said.
            says_nothing = verdict.reason == "no-clear-source"
            assert says_nothing or verdict.defect_probability < 0.18, label["file"]


def test_the_order_w_x_y_z_is_seen_in_the_picture(found: Found) -> None:
    for label, verdicts in found:
        if label["sound"] == "fuma-order":
            verdict = verdicts[AS_READ.name]
            assert (verdict.outcome, verdict.reason) == (Outcome.NOT_OK, "channel-order")
            assert verdict.numbers[f"probability_{FUMA_ORDER.name}"] > 0.5


def test_sound_comes_from_the_labelled_sources(found: Found) -> None:
    compared = 0
    for label, verdicts in found:
        numbers = verdicts[AS_READ.name].numbers
        # Where label and intensity vector agree, and the check found a clear source.
        if label["sound_agrees_with_picture"] == "yes" and label["source_azimuth"]:
            if verdicts[AS_READ.name].reason == "no-clear-source":
                continue
            apart_deg = numbers["sound_azimuth_deg"] - float(label["source_azimuth"])
            apart_deg = abs((apart_deg + 180) % 360 - 180)
            assert apart_deg <= float(label["tolerance"]), label["file"]
            compared += 1
    assert compared >= 4


def test_exchanged_channels_are_mostly_found_where_they_can_be(found: Found) -> None:
    said = [
        answer(verdicts[change.name], change, verdicts[AS_READ.name].numbers)
        for label, verdicts in found
        if label["sound"].startswith("foa")
        for change in CHANGES
        if change.reason == "channel-order"
    ]
    told = [each for each in said if each in {"found", "unsure", "missed"}]
    assert told.count("found") > 0.5 * len(told)
