"""Reading and decoding what the plan says, in threads of the training process.

Legend: B samples of this rank, T frames, H and W of the stored panoramas, S audio samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from avsa.plan import Order


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What is taken from a clip, and how reading is done."""

    video_duration_s: float = 0.5
    """Length of the picture, in the middle of the sound."""
    audio_duration_s: float = 1.0
    """Length of the sound."""
    moments: int = 1
    """Samples taken from each drawn clip, at different times (more than one for AVTS)."""
    moment_gap_s: float = 1.0
    """Smallest time between the starts of two moments of one clip."""
    threads: int = 0
    """Threads that read and decode; 0: as many as there are cores."""
    prefetch_batches: int = 2
    """Batches made ahead of use."""


@dataclass(frozen=True)
class RawBatch:
    """A rank's part of a global batch as stored: planes and samples, nothing per view.

    The tensors are buffers that are used again: they hold this batch until the next one is asked
    for.  With several moments the samples of one clip are neighbours: clip 0 moment 0, clip 0
    moment 1, ...; B counts samples, not clips.

    Attributes:
        luma: uint8 (B, T, H, W).
        chroma: uint8 (B, 2, T, H/2, W/2): Cb and Cr.
        sound: int16 (B, 4, S), ambiX.
        keys: Clip of each sample.
        positions: Position in the plan of each sample (equal for the moments of one clip).
        start_s: Start of each sample's sound within its clip.
        epoch: Epoch of the batch.
        step: Step of the batch.
        moments: Samples per clip.
        wait_s: Time for which the caller had to wait for this batch.
    """

    luma: Tensor
    chroma: Tensor
    sound: Tensor
    keys: list[str]
    positions: list[int]
    start_s: list[float]
    epoch: int
    step: int
    moments: int
    wait_s: float


class Loader:
    """Batches of a split in the order of a plan.

    Args:
        reader: The split (`open_clips`).
        plan: The order.
        config: What is taken from each clip.
        seed: Of the run: keys the times at which samples are taken.
        rank: This process among `world`.
        world: Number of processes that share each global batch.
        pin_memory: Fill page-locked buffers, for fast copies to a CUDA device.
    """

    def __init__(
        self,
        reader: object,
        plan: Order,
        config: DataConfig,
        seed: int,
        rank: int = 0,
        world: int = 1,
        pin_memory: bool = False,
    ) -> None:
        raise NotImplementedError

    def batches(self, first_step: int = 0) -> Iterator[RawBatch]:
        """Yield this rank's part of every batch from a step on (endless for a training plan)."""
        raise NotImplementedError
