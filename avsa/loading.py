"""A trained model for users: loaded from a checkpoint, fed with raw arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from avsa.checkpoint import load_checkpoint
from avsa.colors import RGB_MEAN, RGB_STD
from avsa.config import TrainConfig, config_from_mapping
from avsa.distributed import resolve_device
from avsa.export import is_export, read_export
from avsa.model import Encoders
from avsa.spectrogram import view_spectrograms
from avsa.stats import AudioStats
from avsa.tasks import Task, build_task
from yt360.errors import UserError

Array = NDArray[Any] | Tensor


class Embedding(NamedTuple):
    """Features of views.

    Attributes:
        video: float32 (B, D) or (D,), of the pictures.
        audio: float32 (B, D) or (D,), of the sounds.
    """

    video: Tensor
    audio: Tensor


class Model(nn.Module):
    """Trained encoders, the networks of their pretext task, and how their inputs are made.

    Attributes:
        config: The recipe that it was trained by.
        encoders: `Encoders`; their ``video`` and ``audio`` can be used alone.
        task: Heads and translation networks of the last stage, or None.
        stats: Statistics that standardize spectrograms, or None (imported weights may lack them).
        fps: Frames a second of the pictures that it was trained on.
    """

    def __init__(
        self,
        config: TrainConfig,
        encoders: Encoders,
        task: Task | None,
        stats: AudioStats | None,
        fps: int,
    ) -> None:
        super().__init__()
        self.config, self.stats, self.fps = config, stats, fps
        self.encoders, self.task = encoders, task

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def feature_dim(self) -> int:
        """D, the length of a feature vector."""
        return self.config.video_encoder.feature_dim

    @torch.inference_mode()
    def embed(self, video: Array, audio: Array, sample_rate_hz: int | None = None) -> Embedding:
        """Return the features of pictures and sounds, with the model in evaluation mode.

        Args:
            video: Perspective crops, RGB uint8 (T, H, W, 3) or (B, T, H, W, 3), at the rate and of
                the length that the model was trained with (`fps`, 16, and half a second by
                default). Another size than the trained one is resized.
            audio: ambiX (W, Y, Z, X) float (4, S) or (B, 4, S), full scale 1, already turned into
                the view (`yt360.ambisonics.rotate`): the view's direction is the sound's front.
            sample_rate_hz: Of `audio`; None means that of the model (24 kHz by default). Another
                rate is resampled.

        Returns:
            float32 features, (D,) each for single inputs and (B, D) for batches.

        Raises:
            UserError: Wrong shapes or types, or the model has no audio statistics.
        """
        pictures, sounds = torch.as_tensor(video), torch.as_tensor(audio)
        _check_arrays(pictures, sounds)
        single = pictures.ndim == 4
        if single:
            pictures, sounds = pictures[None], sounds[None]
        was_training = self.training
        self.eval()
        try:
            features = self.encoders(
                self.prepare_video(pictures.to(self.device))[:, None],
                self.prepare_audio(sounds.to(self.device), sample_rate_hz),
            )
        finally:
            self.train(was_training)
        return Embedding(*(feature[0, 0] if single else feature[:, 0] for feature in features))

    def prepare_video(self, video: Tensor) -> Tensor:
        """Return standardized pictures (B, 3, T, h, w) of RGB uint8 (B, T, H, W, 3)."""
        size = (self.config.views.height, self.config.views.width)
        frames = video.permute(0, 1, 4, 2, 3).float() / 255
        if frames.shape[-2:] != size:
            frames = F.interpolate(
                frames.flatten(0, 1), size, mode="bilinear", antialias=True
            ).unflatten(0, frames.shape[:2])
        mean, std = (frames.new_tensor(value).view(3, 1, 1) for value in (RGB_MEAN, RGB_STD))
        return ((frames - mean) / std).transpose(1, 2)

    def prepare_audio(self, audio: Tensor, sample_rate_hz: int | None = None) -> Tensor:
        """Return standardized spectrograms (B, 1, C, N, F) of ambiX (B, 4, S) in the view's frame.

        Raises:
            UserError: The model has no audio statistics.
        """
        config = self.config.audio
        if self.stats is None:
            raise UserError(
                "the model has no audio statistics; import it again with --stats DATASET"
            )
        audio = audio.float()
        if sample_rate_hz not in (None, config.sample_rate_hz):
            from torchaudio.functional import resample

            audio = resample(audio, sample_rate_hz, config.sample_rate_hz)
        ahead = torch.eye(3, device=audio.device).expand(len(audio), 1, 3, 3)
        return view_spectrograms(audio, ahead, config, self.stats.mean_db, self.stats.std_db)


def load(checkpoint: str | Path, device: str = "cpu") -> Model:
    """Load a trained model.

    Args:
        checkpoint: A checkpoint file, a run's folder (its newest one), or an exported folder.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"auto"``.

    Returns:
        The model in evaluation mode.

    Raises:
        UserError: There is no such file, or it is no checkpoint of avsa.
    """
    path = Path(checkpoint)
    content = read_export(path) if is_export(path) else load_checkpoint(path)
    config = config_from_mapping(content["config"])
    encoders = Encoders(config.video_encoder, config.audio_encoder, config.audio.channels)
    task = None
    if content["task"] is not None:
        task = build_task(config.stages[content["stage"]].task, config.video_encoder.feature_dim)
    try:
        encoders.load_state_dict(content["encoders"])
        if task is not None:
            task.load_state_dict(content["task"])
    except RuntimeError as error:
        raise UserError(f"{checkpoint} does not fit its own recipe: {error}") from error
    stats = AudioStats(**content["stats"]) if content["stats"] else None
    return Model(config, encoders, task, stats, content["fps"]).to(resolve_device(device)).eval()


def _check_arrays(video: Tensor, audio: Tensor) -> None:
    if video.dtype != torch.uint8 or video.ndim not in (4, 5) or video.shape[-1] != 3:
        raise UserError(
            f"video is {video.dtype} {tuple(video.shape)}; it must be uint8 (T, H, W, 3) or "
            "(B, T, H, W, 3)"
        )
    if not audio.is_floating_point() or audio.ndim != video.ndim - 2 or audio.shape[-2] != 4:
        raise UserError(
            f"audio is {audio.dtype} {tuple(audio.shape)}; it must be float (4, S), or (B, 4, S) "
            "for a batch of videos"
        )
    if audio.ndim == 3 and len(audio) != len(video):
        raise UserError(f"there are {len(video)} videos and {len(audio)} sounds; give as many")
