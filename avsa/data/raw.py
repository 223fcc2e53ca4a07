"""A batch as stored: planes of the picture and samples of the sound, nothing per view.

Legend: B samples of this rank, T frames, H and W of the stored panoramas, S audio samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsa.data.clip_window import Span
from avsa.views.saliency import Map
from yt360.clip_codec.format import ClipFormat


@dataclass
class Buffer:
    """Memory for one batch, used again when the batch is done with.

    Attributes:
        luma: uint8 (B, T, H, W).
        chroma: uint8 (B, 2, T, H/2, W/2).
        sound: int16 (B, 4, S).
        copied: When set, the copies to a device that must end before the memory is used again.
    """

    luma: Tensor
    chroma: Tensor
    sound: Tensor
    copied: torch.cuda.Event | None = None

    @classmethod
    def allocate(cls, size: int, form: ClipFormat, span: Span, pin_memory: bool) -> Buffer:
        """Return memory for `size` samples."""
        height, width = form.height, form.width
        return cls(
            luma=torch.empty(
                (size, span.frames, height, width), dtype=torch.uint8, pin_memory=pin_memory
            ),
            chroma=torch.empty(
                (size, 2, span.frames, height // 2, width // 2),
                dtype=torch.uint8,
                pin_memory=pin_memory,
            ),
            sound=torch.empty((size, 4, span.samples), dtype=torch.int16, pin_memory=pin_memory),
        )

    def row(self, row: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int16]]:
        """Return luma, chroma and sound of one sample, to be filled."""
        return self.luma[row].numpy(), self.chroma[row].numpy(), self.sound[row].numpy()

    def wait_until_free(self) -> None:
        """Wait for copies that still read from the memory."""
        if self.copied is not None:
            self.copied.synchronize()
            self.copied = None


@dataclass(frozen=True)
class RawBatch:
    """A rank's part of a global batch as stored: planes and samples, nothing per view.

    The tensors are buffers that are used again: they hold this batch until the next one is asked
    for. With several moments the samples of one clip are neighbours: clip 0 moment 0, clip 0
    moment 1, ...; B counts samples, not clips.

    Attributes:
        luma: uint8 (B, T, H, W).
        chroma: uint8 (B, 2, T, H/2, W/2): Cb and Cr.
        sound: int16 (B, 4, S), ambiX.
        keys: Clip of each sample.
        positions: Position in the plan of each sample (equal for the moments of one clip).
        start_s: Start of each sample's sound within its clip.
        video_start_s: Start of each sample's picture within its clip.
        guides: Map (H, W) of where views shall look, for each clip; None where nothing guides.
        epoch: Epoch of the batch.
        step: Step of the batch.
        moments: Samples per clip.
        wait_s: Time for which the caller had to wait for this batch.
        failed_reads: Reads of clips that the loader has seen fail so far.
        buffer: The memory behind the tensors.
    """

    luma: Tensor
    chroma: Tensor
    sound: Tensor
    keys: list[str]
    positions: list[int]
    start_s: list[float]
    video_start_s: list[float]
    guides: list[Map | None]
    epoch: int
    step: int
    moments: int
    wait_s: float
    failed_reads: int
    buffer: Buffer
