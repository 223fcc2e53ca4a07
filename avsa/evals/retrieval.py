"""Retrieval of audio by video and of video by audio, among the views of a clip and among clips.

Embeddings are those that the pretext task compares (`Model.joint_embeddings`), and similarity is
their dot product. Other clips of the video of a query are neither right nor wrong answers; they are
left out.

Candidates that are as similar as the right one are ranked at random: recall is its expectation over
these rankings, so a model that gives all candidates one embedding is at chance.

Shapes: N clips, K views of a clip, E dimensions of an embedding, Q queries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from avsa.evals.base import NEEDS_EMBEDDINGS, Context, EvaluationConfig, Offer, Variant
from avsa.evals.bootstrap import bootstrap_interval, mean_metric, video_table
from avsa.evals.feature_cache import Features, plain_spec, view_features
from avsa.evals.result import Metric, Result, Row
from avsa.hub.load import Model
from yt360.config import config_class
from yt360.errors import UserError

CUTOFFS = (1, 5, 10)
TIE = 1e-6
"""Similarities that differ by less are equal; it is above the rounding of float32."""
_CHUNK = 256
_MEANING = (
    "views: among the views of a clip; clips: among clips by all of their views; clips_one_view: "
    "among clips by one view. A high recall and a low rank are good."
)

Numbers = NDArray[np.float64]


@config_class
class RetrievalConfig(EvaluationConfig):
    """Retrieval of audio by video and of video by audio."""

    columns: ClassVar[tuple[str, ...]] = ("video_to_audio", "audio_to_video")
    kind: Literal["retrieval"] = "retrieval"
    """Name of the evaluation."""
    views: Annotated[int, Field(ge=1, le=1024)] = 4
    """K, the number of views per clip."""

    @classmethod
    def variants(cls, offer: Offer) -> Iterable[Variant]:
        """Return the evaluation; see `EvaluationConfig.variants`."""
        (found,) = super().variants(offer)
        if found.lacks or offer.compares:
            return [found]
        return [Variant(lacks=NEEDS_EMBEDDINGS)]

    def evaluate(self, context: Context) -> Result:
        """Return recall at `CUTOFFS` and median ranks on the test split; see the module.

        Raises:
            UserError: The pretext task of the model compares no embeddings, or there is nothing to
                choose from.
        """
        model = context.subject.require_model()
        nothing = torch.zeros(1, self.views, model.feature_dim, device=model.device)
        model.joint_embeddings(nothing, nothing)  # refuses a model that has none, before the work
        spec = plain_spec(model.config, "test", self.views, self.seed)
        features = view_features(context, spec)
        metrics: dict[str, Metric] = {}
        rows: list[Row] = []
        measured: dict[str, tuple[Numbers, list[str]]] = {}
        for among, query, ranks in all_ranks(model, features):
            name = f"{among}_{query}"
            found = summarize(ranks, self.seed)
            metrics |= {f"{name}_{key}": metric for key, metric in found.items()}
            rows.append(_row(among, query, ranks, found))
            for k in ranks.cutoffs:
                measured[f"{name}_recall@{k}"] = ranks.recall(k), ranks.video_ids
        if not metrics:
            raise UserError(
                "the test split has one video and --views is 1, so there is nothing to choose from;"
                " give --views 2 or more, or a dataset with more test videos",
                "empty",
                "--views",
            )
        alone = len(set(features.video_ids)) == 1
        note = "The test split has one video, so nothing is retrieved among clips."
        return Result(
            metrics=metrics,
            tables={"retrieval": tuple(rows), **video_table(measured)},
            notes=(_MEANING, *features.notes, *([note] if alone else [])),
        )


@dataclass(frozen=True)
class Ranks:
    """Where the right candidates of queries stand.

    Attributes:
        better: (Q,) candidates that are more similar to the query than the right one.
        tied: (Q,) further candidates that are as similar.
        candidates: (Q,) candidates, the right one included.
        video_ids: Video of each query.
    """

    better: Numbers
    tied: Numbers
    candidates: Numbers
    video_ids: list[str]

    def recall(self, k: int) -> Numbers:
        """Return the probability (Q,) that the right candidate is among the first `k`."""
        return np.clip((k - self.better) / (self.tied + 1), 0, 1)

    @property
    def expected(self) -> Numbers:
        """Expected rank (Q,) of the right candidate, from 1."""
        return 1 + self.better + self.tied / 2

    @property
    def cutoffs(self) -> tuple[int, ...]:
        """The `CUTOFFS` at which no query finds all of its candidates."""
        return tuple(k for k in CUTOFFS if k < self.candidates.min())


def all_ranks(model: Model, features: Features) -> Iterator[tuple[str, str, Ranks]]:
    """Yield the kind of candidates, the direction, and the ranks.

    ``views``: the K views of the clip of the query, which translation networks see together.
    ``clips``: all clips; their similarity is the mean over all pairs of their views.
    ``clips_one_view``: all clips by one view, which translation networks see alone; each of the K
    views in turn.
    """
    videos, (clips, num_views) = features.video_ids, features.video.shape[:2]
    together = joint_embeddings(model, features.video, features.audio)
    singles = (each.flatten(0, 1)[:, None] for each in (features.video, features.audio))
    alone = [each.view(clips, num_views, -1) for each in joint_embeddings(model, *singles)]
    for query, one, other in (("video_to_audio", 0, 1), ("audio_to_video", 1, 0)):
        if num_views > 1:
            yield "views", query, view_ranks(together[one], together[other], videos)
        if len(set(videos)) > 1:
            yield "clips", query, clip_ranks(together[one].mean(1), together[other].mean(1), videos)
            by_view = zip(alone[one].unbind(1), alone[other].unbind(1), strict=True)
            found = [clip_ranks(query_view, view, videos) for query_view, view in by_view]
            yield "clips_one_view", query, _joined(found)


@torch.inference_mode()
def joint_embeddings(model: Model, video: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
    """Return embeddings (N, K, E) of features (N, K, D), on the device of the model."""
    found = [
        model.joint_embeddings(video[rows].to(model.device), audio[rows].to(model.device))
        for rows in _chunks(len(video))
    ]
    first, second = (torch.cat(each).float() for each in zip(*found, strict=True))
    return first, second


def view_ranks(queries: Tensor, candidates: Tensor, video_ids: list[str]) -> Ranks:
    """Return the ranks of N * K queries, each among the K views of its clip.

    Args:
        queries: (N, K, E); the right candidate of query [n, k] is candidate [n, k].
        candidates: (N, K, E).
        video_ids: Video of each clip.
    """
    num_views = queries.shape[1]
    similarity = queries @ candidates.mT
    others = ~torch.eye(num_views, dtype=torch.bool, device=queries.device)
    better, tied, count = _compare(similarity, similarity.diagonal(dim1=1, dim2=2), others)
    return Ranks(
        better=_numbers(better.flatten()),
        tied=_numbers(tied.flatten()),
        candidates=_numbers(count.expand_as(better).flatten()),
        video_ids=[each for each in video_ids for _ in range(num_views)],
    )


def clip_ranks(queries: Tensor, candidates: Tensor, video_ids: list[str]) -> Ranks:
    """Return the ranks of N queries among N candidates, without others of the query's video.

    Args:
        queries: (N, E); the right candidate of query n is candidate n.
        candidates: (N, E).
        video_ids: Video of each query.
    """
    videos = torch.from_numpy(np.unique(video_ids, return_inverse=True)[1]).to(queries.device)
    found = []
    for rows in _chunks(len(queries)):
        similarity = queries[rows] @ candidates.T
        own = similarity.diagonal(rows.start)
        found.append(torch.stack(_compare(similarity, own, videos[rows, None] != videos)))
    better, tied, count = _numbers(torch.cat(found, 1))
    return Ranks(better, tied, count, video_ids)


def _compare(similarity: Tensor, own: Tensor, others: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return how many of the other candidates are better and tied, and how many there are.

    Args:
        similarity: (..., C) of a query with all candidates.
        own: (...) similarity with the right one.
        others: (..., C) which candidates are wrong answers.
    """
    ahead = similarity - own[..., None]
    better, as_good = others & (ahead > TIE), others & (ahead >= -TIE)
    # count_nonzero takes a fifth of the time of sum.
    counts = [torch.count_nonzero(each, -1) for each in (better, as_good, others)]
    return counts[0], counts[1] - counts[0], counts[2] + 1


def summarize(ranks: Ranks, seed: int = 0) -> dict[str, Metric]:
    """Return ``recall@1`` and so on, and ``median_rank``."""
    metrics = {
        f"recall@{k}": mean_metric(
            ranks.recall(k),
            ranks.video_ids,
            chance=float(np.mean(k / ranks.candidates)),
            seed=seed,
        )
        for k in ranks.cutoffs
    }
    return metrics | {"median_rank": _median_metric(ranks, seed)}


def _median_metric(ranks: Ranks, seed: int) -> Metric:
    videos, inverse = np.unique(ranks.video_ids, return_inverse=True)
    order = np.argsort(ranks.expected, kind="stable")
    values, video = ranks.expected[order], inverse[order]

    def medians(draws: Numbers) -> Numbers:
        """Return medians (R,) where video v is drawn draws[:, v] times."""
        below = np.cumsum(draws[:, video], axis=1)
        return np.asarray(values[(below >= below[:, -1:] / 2).argmax(1)], np.float64)

    low, high = bootstrap_interval(np.eye(len(videos)), medians, seed) or (None, None)
    return Metric(
        value=float(medians(np.ones((1, len(videos))))[0]),
        low=low,
        high=high,
        chance=float(np.median((ranks.candidates + 1) / 2)),
        unit="",
    )


def _row(among: str, query: str, ranks: Ranks, metrics: dict[str, Metric]) -> Row:
    chances = {f"{key}_chance": each.chance for key, each in metrics.items()}
    return {
        "candidates": among,
        "query": query,
        "queries": len(ranks.video_ids),
        "mean_candidates": float(ranks.candidates.mean()),
        **{key: each.value for key, each in metrics.items()},
        **chances,
    }


def _joined(parts: list[Ranks]) -> Ranks:
    return Ranks(
        better=np.concatenate([each.better for each in parts]),
        tied=np.concatenate([each.tied for each in parts]),
        candidates=np.concatenate([each.candidates for each in parts]),
        video_ids=[video for each in parts for video in each.video_ids],
    )


def _chunks(count: int) -> Iterator[slice]:
    return (slice(first, min(first + _CHUNK, count)) for first in range(0, count, _CHUNK))


def _numbers(counts: Tensor) -> Numbers:
    return counts.cpu().numpy().astype(np.float64)
