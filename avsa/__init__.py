"""Learn audio-visual representations from 360° video by spatial alignment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avsa.hub.load import Model

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def load(checkpoint: str | Path, device: str = "cpu") -> Model:
    """Load a trained model; see `avsa.hub.load.load`.

    >>> model = avsa.load("runs/avc-1")  # doctest: +SKIP
    >>> features = model.embed(video, audio)  # doctest: +SKIP

    Args:
        checkpoint: A checkpoint file, or a run's folder (its newest checkpoint).
        device: ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"auto"``.
    """
    from avsa.hub import load as loading  # here, so that `avsa --help` need not wait for torch

    return loading.load(checkpoint, device)
