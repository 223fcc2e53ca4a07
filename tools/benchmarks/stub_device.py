"""A stand-in for a GPU: batches are made of a few elements on the CPU, by the kernels of a GPU.

So what is measured is the work of the main thread. To queue a kernel on a GPU costs about as much
as to run one on a few elements.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from avsa.data.loader import DataConfig
from avsa.data.raw import RawBatch
from avsa.views.batch import Upload, upload
from avsa.views.crops import crop_batched
from avsa.views.sampling import ViewConfig
from avsa.views.view_spectrograms import view_spectrograms
from benchmarks.material import FPS
from benchmarks.samples import AUDIO, UNSCALED

WINDOWS = DataConfig(video_duration_s=1 / FPS, audio_duration_s=0.1)
"""Clip windows of one frame and little audio."""
ROWS, COLUMNS, SIZE = 8, 16, 4
"""Panorama and view, of about the proportions of 320 x 640 and 112: views are not pooled."""
CPU = torch.device("cpu")


def upload_corner(raw: RawBatch, views: ViewConfig) -> Upload:
    """Draw the views of a batch, and copy their numbers and a corner of the frames.

    Args:
        raw: A batch of `WINDOWS` of clips with small frames.
        views: View configuration, of any size.
    """
    corner = replace(
        raw,
        luma=raw.luma[..., :ROWS, :COLUMNS].contiguous(),
        chroma=raw.chroma[..., : ROWS // 2, : COLUMNS // 2].contiguous(),
    )
    return upload(corner, 0, replace(views, height=SIZE, width=SIZE), CPU)


def run_kernels(uploaded: Upload) -> None:
    """Run the kernels of a GPU that crop the views of a batch and transform their audio."""
    numbers = uploaded.numbers
    crop_batched(uploaded.luma, uploaded.chroma, numbers, SIZE, SIZE)
    # On a GPU, the spectrograms of all samples are queued at once; on the CPU one by one.
    view_spectrograms(
        uploaded.audio[:1, :, : AUDIO.n_fft],
        numbers.rotations[:1],
        AUDIO,
        UNSCALED.mean_db,
        UNSCALED.std_db,
        numbers.gain_db[:1],
    )
