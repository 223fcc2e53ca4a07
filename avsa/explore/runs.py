"""The views of a clip with their crops, spectrograms, matching scores, and Grad-CAM of a run.

`yt360` loads this module by its name (`yt360.explore.layers.runs`).
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from avsa.data.clips import open_clips
from avsa.data.order import Draw
from avsa.evals.localization.localizer import Localizer, SoundField
from avsa.hub.load import load
from avsa.preview.samples import Samples
from avsa.views.batch import Batch
from avsa.views.colors import to_rgb_bytes
from yt360.ambisonics.energy_overlay import inferno
from yt360.config import to_mapping
from yt360.errors import BadItem, UserError
from yt360.shards.format.reader import ShardReader

TOP_DB = 70.0
"""Spectrograms are black so far below their loudest value, as in ``avsa preview``."""
_JPEG_QUALITY = 90


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Runs of avsa."""

    kind: str = "avsa"
    run: Path
    """Folder of the run, or a checkpoint."""
    dataset: Path
    """The dataset whose clips are shown."""

    def build(self) -> ExploredRun:
        """Load the run; see `ExploredRun`."""
        return ExploredRun(self.run, self.dataset)


@dataclass(frozen=True)
class SeenClip:
    """What a run sees of a clip; see `yt360.explore.layers.clip_layers.RunClip`."""

    facts: dict[str, Any]
    files: dict[str, tuple[bytes, str]] = field(default_factory=dict)


class ExploredRun:
    """A trained model and the preparation of its inputs.

    Views are drawn by the configuration of the last stage, as for training, with a clip window and
    directions that depend on the clip alone. The score of a view and a sound is the cosine of
    their joint embeddings, as training compares them.

    Args:
        run: Folder of a run, a checkpoint, or an exported folder.
        dataset: The dataset whose clips are shown.

    Raises:
        UserError: The model cannot be loaded.
    """

    def __init__(self, run: Path, dataset: Path) -> None:
        self._name, self._dataset = run.name, dataset
        self._opened: dict[str, tuple[ShardReader, dict[str, int]]] = {}
        self._model = load(run)
        config = self._model.config
        stage = next(reversed(config.stages))
        self._views = config.stage_views(stage)
        self._data = replace(
            config.stage_data(stage), windows_per_clip=1, video_position="middle", num_workers=1
        )

    @cached_property
    def identity(self) -> str:
        """A hash of the weights and of all settings that views and scores depend on."""
        model, config = self._model, self._model.config
        statistics = model.audio_statistics
        data = to_mapping(self._data)
        for key in ("num_workers", "prefetch_batches"):
            del data[key]
        content = {
            "weights": model.weights_hash(),
            "step": model.step,
            "statistics": None if statistics is None else statistics.sha256(),
            "views": to_mapping(self._views),
            "data": data,
            "audio": to_mapping(config.audio),
            "seed": config.seed,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def clip(self, key: str, split: str) -> SeenClip:
        """Return the views of a clip, with files ``0.jpg``, ``0.png``, ... and ``gradcam.bin``.

        Raises:
            BadItem: The clip cannot be read, or does not fit the run.
        """
        try:
            batch, samples = self._load(key, split)
            return self._see(batch, samples.video_s)
        except UserError as error:
            raise BadItem("no-views", f"{key}: {error}") from None

    def score(self, key: str, split: str) -> float | None:
        """Return the mean score of the views of a clip and their own sounds.

        Returns:
            The score, as `clip` gives it, from -1 to 1; None if the model has no joint embeddings.

        Raises:
            BadItem: The clip cannot be read, or does not fit the run.
        """
        try:
            batch, _ = self._load(key, split)
            return _mean_score(self._scores(batch))
        except UserError as error:
            raise BadItem("no-views", f"{key}: {error}") from None

    def _load(self, key: str, split: str) -> tuple[Batch, Samples]:
        clips, numbers = self._clips(split)
        if key not in numbers:
            raise BadItem("no-views", f"{key} is not in the split {split}")
        order = _OneClip(numbers[key])
        config = self._model.config
        samples = Samples(clips, order, config.seed, self._data, self._views, config.audio)
        return samples.load(0), samples

    def _see(self, batch: Batch, video_s: float) -> SeenClip:
        views, raw = batch.views, batch.raw
        levels = batch.audio[0].numpy()
        scores = self._scores(batch)
        found = SeenClip({})
        shown = []
        for k in range(levels.shape[0]):
            crop = batch.video[0, k]
            middle = to_rgb_bytes(crop[:, crop.shape[1] // 2].double().numpy())
            found.files[f"{k}.jpg"] = _jpeg(middle), "image/jpeg"
            found.files[f"{k}.png"] = _spectrogram_png(levels[k], float(levels.max())), "image/png"
            shown.append(
                {
                    "azimuth_deg": _degrees(views.azimuth[0, k]),
                    "elevation_deg": _degrees(views.elevation[0, k]),
                    "hfov_deg": _degrees(views.hfov[0, k]),
                    "vfov_deg": _degrees(views.vfov[0, k]),
                    "flip": bool(views.hflip[0, k]),
                    "crop": f"{k}.jpg",
                    "mel": f"{k}.png",
                    "scores": None if scores is None else scores[k].tolist(),
                }
            )
        evidence = self._evidence(batch)
        if evidence is not None:
            found.files["gradcam.bin"] = evidence.tobytes(), "application/octet-stream"
        found.facts.update(
            name=self._name,
            step=self._model.step,
            video_start_s=float(raw.video_start_s[0]),
            video_s=video_s,
            audio_start_s=float(raw.audio_start_s[0]),
            score=_mean_score(scores),
            views=shown,
            gradcam=None
            if evidence is None
            else {"rows": evidence.shape[0], "columns": evidence.shape[1]},
        )
        return found

    def _clips(self, split: str) -> tuple[ShardReader, dict[str, int]]:
        """Return the clips of a split and their numbers by key; splits stay open."""
        if split not in self._opened:
            clips = open_clips(self._dataset, split)
            self._opened[split] = clips, {key: number for number, key in enumerate(clips.keys)}
        return self._opened[split]

    @torch.no_grad()
    def _scores(self, batch: Batch) -> NDArray[np.float64] | None:
        """Return the cosines (K, K) of views and sounds; None without embeddings."""
        model = self._model
        try:
            statistics = model.require_audio_statistics()
            audio = (batch.audio - statistics.mean_db) / statistics.std_db
            features = model.encode(batch.video, audio)
            video, sound = model.joint_embeddings(features.video[0], features.audio[0])
        except UserError as error:
            if error.code not in ("missing", "unsupported"):
                raise
            return None
        return np.round((video @ sound.T).clamp(-1, 1).double().numpy(), 4)

    def _evidence(self, batch: Batch) -> NDArray[np.uint8] | None:
        """Return the Grad-CAM (90, 180), 255 at its maximum; None if the model has none."""
        model = self._model
        try:
            localizer = Localizer(
                model, model.require_audio_statistics(), self._views.num_views, None
            )
            raw = batch.raw
            fields = {"model": SoundField(raw.audio[0])}
            evidence = localizer.evidence(raw.luma[0], raw.chroma[0], fields)["model"]
        except UserError as error:
            if error.code not in ("missing", "unsupported", "out-of-range"):
                raise
            return None
        return as_bytes(evidence)


def _mean_score(scores: NDArray[np.float64] | None) -> float | None:
    return None if scores is None else round(float(np.diagonal(scores).mean()), 4)


def as_bytes(evidence: Tensor) -> NDArray[np.uint8]:
    """Return a map (H, W) of evidence, 0 or more, as uint8: linear, 255 at its maximum."""
    share = evidence.clamp(min=0) / evidence.max().clamp(min=1e-12)
    return np.rint(255 * share.numpy()).astype(np.uint8)


class _OneClip:
    """The order of samples that consists of one clip."""

    batch_size = 1
    full_batches = False

    def __init__(self, clip: int) -> None:
        self._clip = clip

    def batch(self, step: int) -> list[Draw]:
        """Return the clip, once."""
        return [Draw(self._clip, 0, self._clip)] if step == 0 else []

    def replacements(self, draw: Draw) -> Iterator[int]:  # noqa: ARG002
        """Yield nothing: no other clip replaces it."""
        return iter(())


def _degrees(angle: Tensor) -> float:
    return round(math.degrees(float(angle)), 3)


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="JPEG", quality=_JPEG_QUALITY)
    return file.getvalue()


def _spectrogram_png(levels_db: NDArray[np.float32], top_db: float) -> bytes:
    """Return channels (C, N, F) below each other, time to the right and low frequencies down."""
    strength = np.clip(1 + (levels_db - top_db) / TOP_DB, 0, 1)
    image = strength.transpose(0, 2, 1)[:, ::-1].reshape(-1, levels_db.shape[1])
    file = io.BytesIO()
    Image.fromarray(np.rint(inferno(image)).astype(np.uint8)).save(file, format="PNG")
    return file.getvalue()
