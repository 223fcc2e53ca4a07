"""Retrieval: laws of recall, and the command."""

from __future__ import annotations

import json
from contextlib import closing
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers.errors import user_error
from helpers.scene_runs import invoke
from torch.nn.functional import normalize

from avsa.cli import cli
from avsa.data.clips import open_clips
from avsa.evals import retrieval
from avsa.evals.base import Offer
from avsa.evals.result import records_of
from avsa.evals.retrieval import (
    RetrievalConfig,
    all_ranks,
    clip_ranks,
    summarize,
    view_ranks,
)
from avsa.evals.run import evaluate
from avsa.evals.subject import open_subject
from avsa.training.distributed import World


def draw(*shape, seed=0):
    values = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return normalize(values, dim=-1)


def videos_of(clips, each=2):
    return [f"video-{number // each}" for number in range(clips)]


def recalls(ranks):
    return {key: each.value for key, each in summarize(ranks).items()}


def test_features_that_contain_the_answer_are_found():
    one, videos = draw(24, 12, 64), videos_of(24)
    for ranks in (view_ranks(one, one, videos), clip_ranks(one[:, 0], one[:, 0], videos)):
        assert recalls(ranks) == {"recall@1": 1, "recall@5": 1, "recall@10": 1, "median_rank": 1}


@pytest.mark.parametrize("among", ["views", "clips"])
def test_noise_is_at_chance(among):
    if among == "views":
        ranks = view_ranks(draw(300, 12, 8), draw(300, 12, 8, seed=1), videos_of(300))
    else:
        ranks = clip_ranks(draw(600, 8), draw(600, 8, seed=1), videos_of(600))
    metrics = summarize(ranks)
    median = metrics.pop("median_rank")
    assert abs(median.value - median.chance) <= 0.1 * ranks.candidates[0]
    assert median.low <= median.value <= median.high and median.low < median.high
    for metric in metrics.values():
        assert metric.low <= metric.chance <= metric.high
        assert metric.low < metric.value < metric.high


def test_equal_similarities_count_as_chance():
    views = view_ranks(torch.ones(5, 4, 1), torch.ones(5, 4, 1) + 1e-8, videos_of(5))
    clips = clip_ranks(torch.ones(20, 1), torch.ones(20, 1), videos_of(20, each=4))
    for ranks in (views, clips):
        for metric in summarize(ranks).values():
            assert metric.value == pytest.approx(metric.chance)
    assert set(clips.candidates) == {17}


def literal_recall(queries, candidates, videos, k):
    """Recall at `k`, by sorting the candidates of each query."""
    hits = []
    for query, video in enumerate(videos):
        allowed = [c for c in range(len(candidates)) if c == query or videos[c] != video]
        score = {c: float(sum(queries[query] * candidates[c])) for c in allowed}
        hits.append(query in sorted(allowed, key=lambda c: -score[c])[:k])
    return np.mean(hits)


def test_recall_agrees_with_sorting(monkeypatch):
    monkeypatch.setattr(retrieval, "_CHUNK", 7)
    videos = [f"video-{number % 5}" for number in range(30)]
    queries = draw(30, 6)
    candidates = normalize(queries + draw(30, 6, seed=1), dim=-1)
    clips = recalls(clip_ranks(queries, candidates, videos))
    for k in (1, 5, 10):
        assert clips[f"recall@{k}"] == pytest.approx(literal_recall(queries, candidates, videos, k))
    of_views = queries.view(5, 6, 6), candidates.view(5, 6, 6)
    views = recalls(view_ranks(*of_views, videos_of(5)))
    for k in (1, 5):
        each_clip = [literal_recall(*both, "abcdef", k) for both in zip(*of_views, strict=True)]
        assert views[f"recall@{k}"] == pytest.approx(np.mean(each_clip))
    assert "recall@10" not in views


class Surrounding:
    """A model in which the views of a clip, seen together, change the embeddings of each other."""

    device = torch.device("cpu")

    def joint_embeddings(self, video, audio):
        return video + 2 * video.mean(1, keepdim=True), audio - 0.8 * audio.mean(1, keepdim=True)


def test_each_kind_of_candidates_and_direction_agrees_with_sorting():
    clips, views, ids, model = 12, 3, videos_of(12), Surrounding()
    video = draw(clips, views, 4).float()
    audio = video + 0.7 * draw(clips, views, 4, seed=1).float()
    features = SimpleNamespace(video_ids=ids, video=video, audio=audio)
    found = {}
    for among, query, ranks in all_ranks(model, features):
        found[among, query] = ranks.recall(1).mean()
    together = model.joint_embeddings(video, audio)
    expected = {}
    for query, one, other in (("video_to_audio", 0, 1), ("audio_to_video", 1, 0)):
        of, among = together[one], together[other]
        own = [literal_recall(x, y, range(views), 1) for x, y in zip(of, among, strict=True)]
        expected["views", query] = np.mean(own)
        expected["clips", query] = literal_recall(of.mean(1), among.mean(1), ids, 1)
        # A view that is alone is its own surrounding, which does not change its direction.
        alone = [literal_recall((video, audio)[one][:, k], (video, audio)[other][:, k], ids, 1)
                 for k in range(views)]  # fmt: skip
        expected["clips_one_view", query] = np.mean(alone)
        assert expected["clips_one_view", query] != alone[0]
    assert found == pytest.approx(expected) and len({*expected.values()}) > 4


def test_the_median_is_that_of_the_queries():
    ranks = clip_ranks(draw(41, 4), draw(41, 4, seed=1), videos_of(41, each=1))
    assert summarize(ranks)["median_rank"].value == np.median(ranks.expected)


def test_the_command_prints_recall_of_a_run(own_run):
    words = ("eval", "retrieval", own_run.run, "--data", own_run.dataset)
    printed = invoke(cli, *words, "--views", 6)
    assert all(text in printed for text in (" video_to_audio ", " audio_to_video "))
    assert all(text in printed for text in ("\nviews_recall@5 ", "\nclips_one_view_recall@1 "))
    ((_, record),) = records_of(own_run.run)
    with closing(open_clips(own_run.dataset, "test")) as clips:
        queries = {row["candidates"]: row["queries"] for row in record.result.tables["retrieval"]}
        assert queries["clips"] == len(clips) and queries["views"] == 6 * len(clips)
    (spec,) = (own_run.run / "eval" / "features").glob("*/spec.json")
    assert json.loads(spec.read_text())["split"] == "test"
    by_chance = record.result.metrics["views_audio_to_video_recall@1"]
    assert by_chance.chance == pytest.approx(1 / 6) and by_chance.low <= by_chance.value


def test_a_model_without_heads_is_refused(own_run, tmp_path):
    subject = open_subject(str(own_run.run), "cpu")
    subject.model.task = None
    (variant,) = RetrievalConfig.variants(Offer(subject=subject, dataset=own_run.dataset))
    assert variant.lacks
    alone = World(0, 1, torch.device("cpu"))
    with user_error("unsupported", "task"):
        evaluate(RetrievalConfig(), subject, own_run.dataset, tmp_path, alone)
    assert not list((tmp_path / "eval" / ".work").iterdir())
