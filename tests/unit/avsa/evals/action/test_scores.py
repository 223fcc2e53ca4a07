"""Scores of videos, and the means of folds."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
import torch
from helpers.action_videos import COLOURS, write_ucf
from helpers.in_process import in_process
from torch import nn

from avsa.evals.action.decoding import VideoDecoders
from avsa.evals.action.lists import LAYOUTS, ActionVideo, read_fold
from avsa.evals.action.summary import FoldResult, mean_of_folds, summarize
from avsa.evals.action.testing import TestClips, VideoScore, hits, score
from avsa.evals.action.windows import ClipShape
from avsa.evals.unreadable import Unreadable
from avsa.models.compute import ComputeConfig
from avsa.training.distributed import World
from avsa.views.colors import RGB_MEAN, RGB_STD

ALONE = World(0, 1, torch.device("cpu"))
SHAPE = ClipShape(4, 16, 16, 16)
GENERATOR = torch.Generator().manual_seed(0)


def test_hits_are_those_of_sorting():
    logits = torch.randn(200, 9, generator=GENERATOR)
    for label in range(9):
        for k in (1, 5):
            literal = [label in sorted(range(9), key=lambda c: -row[c])[:k]
                       for row in logits.tolist()]  # fmt: skip
            assert hits(logits, label, k).tolist() == literal


def test_a_video_is_judged_by_its_mean_probability():
    # Two clips for class 0 and a very confident one for class 1.
    even = torch.tensor([[2.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 9.0, 0.0]])
    found = score(ActionVideo("a", "a", 1, "s"), even[:2], even)
    probabilities = torch.exp(even) / torch.exp(even).sum(1, keepdim=True)
    assert found.predicted == int(probabilities.mean(0).argmax()) != int(even.mean(0).argmax())
    assert (found.clip_1, found.clip_5, found.video_5) == (0.0, 1.0, 1.0)


class ByColour(nn.Module):
    """Knows the colours of the classes."""

    def forward(self, video):
        assert not self.training and video.shape == (6, 3, 4, 16, 16)
        mean, std = torch.from_numpy(RGB_MEAN), torch.from_numpy(RGB_STD)
        seen = 255 * (video.mean((2, 3, 4)) * std + mean)
        return -torch.cdist(seen, torch.tensor(list(COLOURS.values()), dtype=torch.float64))


@pytest.fixture(scope="module")
def fold(tmp_path_factory):
    return read_fold("ucf101", write_ucf(tmp_path_factory.mktemp("ucf")), 1)


def test_an_oracle_is_always_right_on_any_number_of_ranks(fold, tmp_path):
    clips = TestClips(fold, SHAPE, clips=3, seed=0,
                      decoders=VideoDecoders(2, in_process))  # fmt: skip
    unreadable = Unreadable(tmp_path, "x", ALONE)
    scores = clips.scores(ByColour(), ALONE, ComputeConfig(), unreadable)
    assert [each.video for each in scores] == [video.name for video in fold.test]
    for attribute in ("clip_1", "clip_5", "video_1", "video_5"):
        assert mean_of_folds([scores], attribute, 1 / 3, 0).value == 1
    parts = [clips.scores(ByColour(), World(rank, 2, ALONE.device), ComputeConfig(), unreadable)
             for rank in (0, 1)]  # fmt: skip
    assert sorted(chain(*parts), key=lambda each: each.video) == scores
    assert not unreadable.reasons


def noise(videos, seed):
    generator = torch.Generator().manual_seed(seed)
    return [
        score(ActionVideo(f"{i}", "", i % 20, f"{i}"),
              *torch.randn(2, 10, 20, generator=generator))
        for i in range(videos)
    ]  # fmt: skip


def test_noise_is_at_chance():
    scores = noise(600, 1)
    for attribute, chance in (("clip_1", 1 / 20), ("clip_5", 1 / 4), ("video_1", 1 / 20)):
        metric = mean_of_folds([scores], attribute, chance, 0)
        assert metric.low <= chance <= metric.high and metric.high - metric.low < 0.08


def scored(source, hit):
    return VideoScore(f"{source}/{hit}", source, 0, 0, hit, 1.0, hit, 1.0)


def test_the_mean_of_folds_is_that_of_their_means():
    halves = [scored(f"{i}", i % 2) for i in range(40)]
    ones = [scored(f"{i}", 1.0) for i in range(8)]
    metric = mean_of_folds([halves, ones], "clip_1", 0.5, 0)
    assert metric.value == (0.5 + 1.0) / 2
    alike = [[scored(f"{i % 4}", i % 4 % 2) for i in range(40)]]
    independent = mean_of_folds([halves], "clip_1", 0.5, 0)
    few = mean_of_folds(alike, "clip_1", 0.5, 0)
    assert few.high - few.low > 2 * (independent.high - independent.low)


def test_tables_count_every_video():
    fold = FoldResult(2, ("a", "b"), 7, (*noise(0, 0), scored("x", 1.0), scored("y", 0.0)),
                      ({"epoch": 1.0},), {"a/1": "truncated"}, {"a/2": "x"})  # fmt: skip
    result = summarize([fold], LAYOUTS["ucf101"], 0)
    assert result.tables["folds"][0]["video@1"] == 0.5 and result.tables["folds"][0]["fold"] == 2
    assert [row["videos"] for row in result.tables["classes"]] == [2, 0]
    assert result.tables["classes"][1]["clip@1"] is None
    assert result.tables["confusion"] == ({"class": "a", "predicted": "a", "videos": 2},)
    assert any("a/1 (truncated)" in note and "1 of 7" in note for note in result.notes)
    assert any("a/2 (x)" in note and "1 of 3" in note for note in result.notes)
    assert np.isclose(result.metrics["clip@5"].chance, 1) and len(result.notes) == 3


def test_numbers_and_tables_of_hand_made_scores():
    scores = (
        VideoScore("a/1", "a", 0, 0, 0.5, 0.75, 1.0, 1.0),
        VideoScore("a/2", "b", 0, 1, 0.25, 0.5, 0.0, 1.0),
        VideoScore("b/1", "c", 1, 1, 1.0, 1.0, 1.0, 1.0),
        VideoScore("c/1", "d", 2, 1, 0.0, 0.0, 0.0, 0.0),
    )
    classes = tuple("abcdefghij")
    result = summarize([FoldResult(1, classes, 9, scores, (), {}, {})], LAYOUTS["hmdb51"], 0)
    values = {name: (each.value, each.chance) for name, each in result.metrics.items()}
    assert values == {
        "clip@1": (1.75 / 4, 0.1), "video@1": (0.5, 0.1),
        "clip@5": (2.25 / 4, 0.5), "video@5": (0.75, 0.5),
    }  # fmt: skip
    first, second, *_ = result.tables["classes"]
    assert (first["videos"], first["clip@1"], first["video@5"]) == (2, 0.375, 1.0)
    assert (second["videos"], second["video@1"]) == (1, 1.0)
    pairs = [tuple(row.values()) for row in result.tables["confusion"]]
    assert pairs == [("a", "a", 1), ("a", "b", 1), ("b", "b", 1), ("c", "b", 1)]


def test_random_test_windows_depend_on_fold_video_and_seed(fold):
    found = [
        TestClips(each, SHAPE, 3, seed, VideoDecoders(1, in_process))._starts(number)(2.0)
        for each in (fold, replace(fold, number=2))
        for seed in (0, 1)
        for number in (0, 1)
    ]
    assert len({starts[0] for starts in found}) == 8
    assert all(starts[3:].tolist() == [0, 1, 2] for starts in found)
