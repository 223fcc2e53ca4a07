"""Scores of test videos: 25 random clips are counted one by one, 25 even ones are averaged.

Shapes: N clips, T frames, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from avsa.data.prefetch import prefetched
from avsa.evals.action.decoding import VideoDecoders
from avsa.evals.action.lists import ActionVideo, Fold
from avsa.evals.action.network import ActionNetwork, standardized
from avsa.evals.action.windows import ClipShape, Times, Windows, even_starts, random_starts
from avsa.evals.unreadable import Unreadable
from avsa.models.compute import ComputeConfig, autocast
from avsa.training.distributed import World
from yt360.errors import BadItem
from yt360.randomness import keyed_generator
from yt360.terminal.progress import Progress

TOP = 5


@dataclass(frozen=True)
class VideoScore:
    """Scores of a test video.

    Attributes:
        video: Name of the video.
        source: See `ActionVideo`.
        label: Its class.
        predicted: Class of the largest probability, averaged over the even clips.
        clip_1: Fraction of the random clips with the right class first.
        clip_5: Fraction of the random clips with the right class among the first five.
        video_1: Whether `predicted` is the right class.
        video_5: Whether the right class is among the five of largest averaged probability.
    """

    video: str
    source: str
    label: int
    predicted: int
    clip_1: float
    clip_5: float
    video_1: float
    video_5: float


def score(video: ActionVideo, random_logits: Tensor, even_logits: Tensor) -> VideoScore:
    """Return the score of a video from the logits (N, C) of its random and of its even clips."""
    averaged = even_logits.double().softmax(-1).mean(0, keepdim=True)
    return VideoScore(
        video.name,
        video.source,
        video.label,
        int(averaged.argmax()),
        *(
            float(hits(values, video.label, k).double().mean())
            for values in (random_logits, averaged)
            for k in (1, TOP)
        ),
    )


def hits(scores: Tensor, label: int, k: int) -> Tensor:
    """Return bool (N,): whether the label is among the k largest of scores (N, C)."""
    return (scores.topk(min(k, scores.shape[-1])).indices == label).any(-1)


class TestClips:
    """The test clips of a fold.

    Args:
        fold: The fold.
        shape: Size of a clip window.
        clips: Random clips of a video, and as many even ones.
        seed: Seed of the random ones.
        decoders: Read the videos.
    """

    __test__ = False  # pytest would take it for a test

    def __init__(
        self, fold: Fold, shape: ClipShape, clips: int, seed: int, decoders: VideoDecoders
    ) -> None:
        self.fold, self.shape, self.clips, self.seed = fold, shape, clips, seed
        self.decoders = decoders

    def scores(
        self,
        network: ActionNetwork,
        world: World,
        compute: ComputeConfig,
        unreadable: Unreadable,
    ) -> list[VideoScore]:
        """Return the scores of this rank's part of the videos that can be read."""
        numbers = range(world.rank, len(self.fold.test), world.size)
        read = partial(self._read, unreadable)
        found: list[VideoScore] = []
        network.eval()
        count = self.decoders.count
        name = f"testing fold {self.fold.number}"
        with (
            closing(prefetched(read, numbers, count, count + 1)) as loaded,
            Progress(name, len(numbers), "videos") as progress,
            torch.inference_mode(),
        ):
            for number, windows in zip(numbers, loaded, strict=True):
                if windows is not None:
                    with autocast(compute, world.device):
                        logits = network(self._video(windows, world.device)).cpu()
                    video = self.fold.test[number]
                    found.append(score(video, logits[: self.clips], logits[self.clips :]))
                if world.is_first:
                    progress.advance()
        return found

    def _read(self, unreadable: Unreadable, number: int) -> Windows | None:
        video = self.fold.test[number]
        try:
            return self.decoders.read(video, self.shape, self._starts(number), centre=True)
        except BadItem as error:
            unreadable.add(video.name, error.reason, error.detail)
            return None

    def _starts(self, number: int) -> Callable[[float], Times]:
        generator = keyed_generator(self.seed, "action", self.fold.number, number, "test windows")
        return partial(_random_and_even_starts, self.clips, generator)

    def _video(self, windows: Windows, device: torch.device) -> Tensor:
        """Return the clips (2 N, 3, T, h, w) of a video."""
        frames = standardized(torch.from_numpy(windows.frames).to(device))
        return frames[torch.from_numpy(windows.rows).to(device)].transpose(1, 2)


def _random_and_even_starts(count: int, generator: np.random.Generator, last_s: float) -> Times:
    return np.concatenate([random_starts(last_s, count, generator), even_starts(last_s, count)])
