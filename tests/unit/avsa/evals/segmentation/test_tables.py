"""Numbers and tables of segmentation, of two videos and two classes."""

from __future__ import annotations

import numpy as np
import pytest

from avsa.evals.segmentation import testing
from avsa.evals.segmentation.tables import to_result
from avsa.evals.segmentation.targets import CLASS_NAMES, NUM_TARGETS


@pytest.fixture
def result():
    confusion = np.zeros((2, NUM_TARGETS, NUM_TARGETS))
    confusion[0, :2, :2] = [[10, 30], [0, 20]]
    confusion[1, :2, :2] = [[15, 5], [5, 15]]
    return to_result(
        testing.Tested(("a", "b"), confusion, 0.25, 0.125, 3, 1, 240), (), {}, ("note",), 0
    )


def test_numbers_are_those_of_the_whole_split(result):
    values = {name: each.value for name, each in result.metrics.items()}
    assert values == pytest.approx({
        "pixel_accuracy": 60 / 100,
        "miou": (25 / 65 + 35 / 75) / 2,
        "batch_pixel_accuracy": 0.25,
        "image_miou": 0.125,
    })  # fmt: skip
    accuracy = result.metrics["pixel_accuracy"]
    # Of the resamples, one in four has the worse video twice, and one in four the better one.
    assert (accuracy.low, accuracy.high) == (30 / 60, 30 / 40)
    assert any("41.7 %" in note for note in result.notes)
    assert any("1 of 3" in note for note in result.notes)


def test_guessing_is_the_most_frequent_target(result):
    """Which is not the most frequent prediction."""
    assert result.metrics["pixel_accuracy"].chance == pytest.approx(60 / 100)
    assert result.metrics["miou"].chance == pytest.approx((60 / 100 + 0) / 2)


def test_rows_of_classes(result):
    first, second, third = result.tables["classes"][:3]
    assert (first["iou"], first["recall"], first["precision"]) == (25 / 65, 25 / 60, 25 / 30)
    assert (second["iou"], second["recall"], second["precision"]) == (35 / 75, 35 / 40, 35 / 70)
    assert (second["pixels"], second["fraction"]) == (40, 0.4)
    assert third["iou"] is third["recall"] is third["precision"] is None
    counts = [(row["target"], row[CLASS_NAMES[0]], row[CLASS_NAMES[1]])
              for row in result.tables["confusion"]]  # fmt: skip
    assert counts == [(CLASS_NAMES[0], 25, 35), (CLASS_NAMES[1], 5, 35)]


def test_rows_of_videos_are_those_of_their_own_pixels(result):
    assert result.tables["videos"] == (
        {"video": "a", "items": 60, "pixel_accuracy": 0.5, "video_miou": (10 / 40 + 20 / 50) / 2},
        {"video": "b", "items": 40, "pixel_accuracy": 0.75, "video_miou": 15 / 25},
    )
