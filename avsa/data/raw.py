"""A batch as stored: planes of the video and samples of the audio, before views are cut.

Legend: B samples of this rank, T frames, H and W of the stored panoramas, S audio samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from avsa.data.clip_window import WindowShape
from avsa.data.decoder_process import Place
from avsa.data.order import Draw
from avsa.data.shared_memory import SharedMemory, aligned
from avsa.views.saliency import SaliencyMap
from yt360.clip_codec.format import ClipFormat


@dataclass
class Buffer:
    """Memory for one batch, which decoder processes fill; reused for later batches.

    Attributes:
        luma: uint8 (B, T, H, W).
        chroma: uint8 (B, 2, T, H/2, W/2).
        audio: int16 (B, 4, S).
        memory: The memory of the tensors.
        places: Where luma, chroma and audio are in it.
        copied: If set, the copies to a device that must end before the memory is reused.
    """

    luma: Tensor
    chroma: Tensor
    audio: Tensor
    memory: SharedMemory
    places: tuple[Place, Place, Place]
    copied: torch.cuda.Event | None = None

    @classmethod
    def allocate(
        cls, size: int, form: ClipFormat, shape: WindowShape, pin_memory: bool = False
    ) -> Buffer:
        """Return memory for `size` samples, page-locked if `pin_memory`."""
        frames, height, width = shape.num_frames, form.height, form.width
        luma = (size, frames, height, width)
        chroma = (size, 2, frames, height // 2, width // 2)
        return cls.of_shapes(luma, chroma, (size, 4, shape.num_samples), pin_memory)

    @classmethod
    def of_shapes(
        cls,
        luma: tuple[int, ...],
        chroma: tuple[int, ...],
        audio: tuple[int, ...],
        pin_memory: bool = False,
    ) -> Buffer:
        """Return memory for arrays of the given shapes."""
        chroma_offset = aligned(prod(luma))
        audio_offset = chroma_offset + aligned(prod(chroma))
        memory = SharedMemory(audio_offset + 2 * prod(audio), pin=pin_memory)
        return cls(
            memory.tensor(0, luma, torch.uint8),
            memory.tensor(chroma_offset, chroma, torch.uint8),
            memory.tensor(audio_offset, audio, torch.int16),
            memory,
            ((0, luma, "|u1"), (chroma_offset, chroma, "|u1"), (audio_offset, audio, "<i2")),
        )

    def wait_until_free(self) -> None:
        """Wait for copies that still read from the memory."""
        if self.copied is not None:
            self.copied.synchronize()
            self.copied = None


@dataclass
class RawBatch:
    """A rank's part of a global batch as stored; decoder processes fill its memory.

    The tensors are reused: they are valid until the next batch is requested. The windows of one
    clip are neighbours: clip 0 window 0, clip 0 window 1, ...; B counts windows, not clips.

    Attributes:
        luma: uint8 (B, T, H, W).
        chroma: uint8 (B, 2, T, H/2, W/2): Cb and Cr.
        audio: int16 (B, 4, S), ambiX.
        keys: Clip of each sample.
        positions: Position of each sample in the order of training (equal for windows of one clip).
        audio_start_s: Start of each sample's audio in its clip.
        video_start_s: Start of each sample's video in its clip.
        saliency: Map (H, W) that guides the views of each clip, or None.
        epoch: Epoch of the batch.
        step: Step of the batch.
        windows_per_clip: Samples of each clip.
        wait_s: Time that the caller waited for this batch.
        failed_reads: Reads of clips that have failed in the loader so far.
        unreadable: Reason by key of the clips that could not be read for this batch.
        buffer: The memory behind the tensors.
    """

    luma: Tensor
    chroma: Tensor
    audio: Tensor
    keys: list[str]
    positions: list[int]
    audio_start_s: list[float]
    video_start_s: list[float]
    saliency: list[SaliencyMap | None]
    epoch: int
    step: int
    windows_per_clip: int
    wait_s: float
    failed_reads: int
    unreadable: dict[str, str]
    buffer: Buffer

    @classmethod
    def to_fill(
        cls, step: int, draws: list[Draw], windows_per_clip: int, buffer: Buffer
    ) -> RawBatch:
        """Return the batch of a step in a buffer; keys are empty until a clip is loaded."""
        rows = len(draws) * windows_per_clip
        return cls(
            luma=buffer.luma[:rows],
            chroma=buffer.chroma[:rows],
            audio=buffer.audio[:rows],
            keys=[""] * rows,
            positions=[draw.position for draw in draws for _ in range(windows_per_clip)],
            audio_start_s=[0.0] * rows,
            video_start_s=[0.0] * rows,
            saliency=[None] * len(draws),
            epoch=draws[0].epoch if draws else 0,
            step=step,
            windows_per_clip=windows_per_clip,
            wait_s=0.0,
            failed_reads=0,
            unreadable={},
            buffer=buffer,
        )

    def drop_missing(self) -> None:
        """Remove the rows of clips that were not loaded, and move the others together."""
        kept = [row for row, key in enumerate(self.keys) if key]
        for name in ("luma", "chroma", "audio"):
            tensor = getattr(self, name)
            tensor[: len(kept)] = tensor[kept]
            setattr(self, name, tensor[: len(kept)])
        for name in ("keys", "positions", "audio_start_s", "video_start_s"):
            setattr(self, name, [getattr(self, name)[row] for row in kept])
        first_rows = kept[:: self.windows_per_clip]
        self.saliency = [self.saliency[row // self.windows_per_clip] for row in first_rows]
