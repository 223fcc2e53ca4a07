"""Intervals over videos."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from avsa.evals.bootstrap import bootstrap_interval, mean_metric, video_table


def test_intervals_are_over_videos():
    hits = [1, 1, 0, 0] * 25
    one_clip_each = mean_metric(hits, [str(i) for i in range(100)])
    few_videos = mean_metric(hits, [str(i % 4) for i in range(100)])
    assert one_clip_each.value == few_videos.value == 0.5
    half = 1.96 * (0.5 * 0.5 / 100) ** 0.5
    assert one_clip_each.low == pytest.approx(0.5 - half, abs=0.011)
    assert one_clip_each.high == pytest.approx(0.5 + half, abs=0.011)
    assert few_videos.low == 0.0 and few_videos.high == 1.0
    assert mean_metric([1, 0], ["one", "one"]).low is None
    assert mean_metric([1, 1, 1, 0], ["a", "a", "a", "b"]).value == 0.75  # each clip counts


def test_intervals_cover_the_truth_in_95_of_100_cases():
    generator = torch.Generator().manual_seed(0)
    inside = 0
    for seed in range(100):
        sums = torch.stack([torch.rand(60, generator=generator), torch.ones(60)], 1).numpy()
        low, high = bootstrap_interval(sums, lambda s: s[:, 0] / s[:, 1], seed)
        inside += low <= 0.5 <= high
    assert 89 <= inside <= 99


def test_a_metric_is_the_weighted_mean_of_its_values_of_videos():
    values, videos = np.array([1.0, 0.0, 1.0, 1.0, 0.0]), ["b", "a", "b", "a", "b"]
    table = video_table({"hits": (values, videos), "twice": (np.tile(values, 2), videos * 2)})
    rows = table["videos"]
    assert [(row["video"], row["items"]) for row in rows] == [("a", 2), ("b", 3)]
    weighted = sum(row["items"] * row["hits"] for row in rows) / sum(row["items"] for row in rows)
    assert weighted == pytest.approx(mean_metric(values, videos).value)


def test_a_video_without_items_of_a_metric_has_no_value():
    table = video_table({"one": (np.ones(2), ["a", "b"]), "two": (np.ones(1), ["b"])})
    assert [row["two"] for row in table["videos"]] == [None, 1.0]
