"""A trained model: loaded from a checkpoint, applied to arrays of video and audio.

Shapes: B and C batch, T frames, H and W of a frame, S audio samples, K views, D features,
E dimensions of a joint embedding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from avsa.config.train_config import TrainConfig
from avsa.hub.inference import Inference
from avsa.hub.saved import Saved, read_saved
from avsa.models.encoders import Encoders
from avsa.tasks.base import Task
from avsa.views.audio_statistics import AudioStatistics
from avsa.views.colors import RGB_MEAN, RGB_STD
from avsa.views.spectrogram import require_long_audio
from avsa.views.view_spectrograms import view_spectrograms
from yt360.devices import choose_device
from yt360.errors import UserError

Array = NDArray[Any] | Tensor


class Embedding(NamedTuple):
    """Features of video and audio, in separate spaces (`Model.similarity` compares them).

    Attributes:
        video: float32 (B, D) or (D,).
        audio: float32 (B, D) or (D,).
    """

    video: Tensor
    audio: Tensor


class Model(nn.Module):
    """Trained encoders, the networks of their pretext task, and the preparation of their inputs.

    Attributes:
        config: The configuration that it was trained with.
        encoders: `Encoders`; its ``video`` and ``audio`` can be used alone.
        task: Heads and translation networks of the last stage, or None.
        audio_statistics: Standardize spectrograms; None if imported weights lack them.
        fps: Frame rate of the video that it was trained on.
        step: Number of training steps.
    """

    def __init__(
        self,
        config: TrainConfig,
        encoders: Encoders,
        task: Task | None,
        audio_statistics: AudioStatistics | None,
        fps: int,
        step: int,
    ) -> None:
        super().__init__()
        self.config, self.audio_statistics, self.fps, self.step = (
            config,
            audio_statistics,
            fps,
            step,
        )
        self.encoders, self.task = encoders, task
        self._inference = Inference(config.compute)

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return next(self.parameters()).device

    @property
    def feature_dim(self) -> int:
        """D, the length of a feature vector."""
        return self.config.encoders.feature_dim

    @property
    def num_frames(self) -> int:
        """T, the number of frames of the video of a view in training."""
        return max(1, round(self.config.data.video_duration_s * self.fps))

    @torch.inference_mode()
    def embed(self, video: Array, audio: Array, sample_rate_hz: int | None = None) -> Embedding:
        """Return the features of views, with the model in evaluation mode.

        The encoders compute in bfloat16 on CUDA devices, and on CPUs that have units for it and
        repeat it (`avsa.hub.inference`), unless the recipe has ``compute.bfloat16=off``.

        Args:
            video: Crops, RGB uint8 (T, H, W, 3) or (B, T, H, W, 3), with the frame rate (`fps`) of
                training and as many frames (`num_frames`; 8 by default). Other frame sizes are
                resized.
            audio: ambiX (W, Y, Z, X) float (4, S) or (B, 4, S) in [-1, 1], rotated into the frame
                of the view (`yt360.rotate_to_view`).
            sample_rate_hz: Sample rate of `audio`; by default that of the model (24 kHz). Other
                rates are resampled.

        Returns:
            float32 features, (D,) each for single inputs and (B, D) for batches.

        Raises:
            UserError: Wrong shapes or types (``"conflict"`` for another number of frames), or the
                model has no audio statistics.
        """
        video, audio = _checked(video, audio)
        with self._evaluating():
            features = self._features(video, audio, sample_rate_hz)
        return Embedding(*(each[0] for each in features) if video.ndim == 4 else features)

    @torch.inference_mode()
    def encode(self, video: Tensor, audio: Tensor) -> Embedding:
        """Return the features of prepared views, with the model in evaluation mode.

        Args:
            video: Standardized RGB (B, K, 3, T, h, w), as in training.
            audio: Standardized spectrograms (B, K, C, N, F).

        Returns:
            float32 features (B, K, D) each, computed as by `embed`.
        """
        with self._evaluating():
            return Embedding(
                *(
                    self._encode(name, views.flatten(0, 1)).unflatten(0, views.shape[:2])
                    for name, views in (("video", video), ("audio", audio))
                )
            )

    @torch.inference_mode()
    def similarity(
        self,
        video: Array,
        audio: Array,
        sample_rate_hz: int | None = None,
        views_of_one_clip: bool = False,
    ) -> Tensor:
        """Return how well each video matches each audio, with the model in evaluation mode.

        Features of the two encoders (`embed`) lie in separate spaces. This compares them as the
        pretext task does, after its heads and translation networks.

        Args:
            video: As for `embed`: (T, H, W, 3), or (B, T, H, W, 3).
            audio: As for `embed`: (4, S), or (C, 4, S).
            sample_rate_hz: Sample rate of `audio`, as for `embed`.
            views_of_one_clip: Translation networks see all of `video` together, and all of `audio`,
                like the views of one clip in training; otherwise one at a time.

        Returns:
            Mean cosine of the task's two directions, float32 in [-1, 1]: (B, C), or a scalar for
            single inputs.

        Raises:
            UserError: As for `embed`; or the pretext task compares no embeddings.
        """
        video, audio = _checked(video, audio, paired=False)
        with self._evaluating():
            features = self._features(video, audio, sample_rate_hz)
            if views_of_one_clip:
                joint_video, joint_audio = self.joint_embeddings(*features)
            else:
                joint_video, joint_audio = (
                    each[:, 0] for each in self.joint_embeddings(*(f[:, None] for f in features))
                )
        cosine = (joint_video @ joint_audio.T).clamp(-1, 1)
        return cosine[0, 0] if video.ndim == 4 else cosine

    def joint_embeddings(self, video: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Return embeddings (..., K, E) that can be compared, of features (..., K, D) of views.

        Raises:
            UserError: ``"unsupported"``: The pretext task compares no embeddings (`Task`).
        """
        if self.task is None:
            raise UserError(
                "the model has only encoders, without the heads that compare video with audio; "
                "use a checkpoint of a run",
                "unsupported",
                "task",
            )
        return self.task.joint_embeddings(video, audio)

    def weights_hash(self) -> str:
        """Return the SHA-256 of all names and values of weights, 64 hexadecimal digits."""
        digest = sha256()
        for name, tensor in self.state_dict().items():
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
        return digest.hexdigest()

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        """Use evaluation mode in the block, and the former mode after it."""
        was_training = self.training
        self.eval()
        try:
            yield
        finally:
            self.train(was_training)

    def _features(
        self, video: Tensor, audio: Tensor, sample_rate_hz: int | None
    ) -> tuple[Tensor, Tensor]:
        """Return the features (B, D) and (C, D); B and C are 1 for single inputs."""
        video = video if video.ndim == 5 else video[None]
        if video.shape[1] != self.num_frames:
            raise UserError(
                f"video has {video.shape[1]} frames, and the model was trained on "
                f"{self.num_frames} ({self.fps} a second); give as many",
                "conflict",
                "video",
            )
        audio = audio if audio.ndim == 3 else audio[None]
        spectrograms = self.prepare_audio(audio.to(self.device), sample_rate_hz)[:, 0]
        return (
            self._encode("video", self.prepare_video(video.to(self.device))),
            self._encode("audio", spectrograms),
        )

    def _encode(self, name: str, views: Tensor) -> Tensor:
        return self._inference.features(name, self.encoders.get_submodule(name), views)

    def prepare_video(self, video: Tensor) -> Tensor:
        """Return standardized RGB (B, 3, T, h, w) of RGB uint8 (B, T, H, W, 3)."""
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

        N time steps, F mel bands, C channels of the spectrogram.

        Raises:
            UserError: ``"missing"``: The model has no audio statistics.
        """
        config, statistics = self.config.audio, self.require_audio_statistics()
        audio = audio.float()
        if sample_rate_hz not in (None, config.sample_rate_hz):
            from torchaudio.functional import resample

            audio = resample(audio, sample_rate_hz, config.sample_rate_hz)
        require_long_audio(config, audio.shape[-1])
        ahead = torch.eye(3, device=audio.device).expand(len(audio), 1, 3, 3)
        return view_spectrograms(audio, ahead, config, statistics.mean_db, statistics.std_db)

    def require_audio_statistics(self) -> AudioStatistics:
        """Return the statistics that standardize spectrograms.

        Raises:
            UserError: ``"missing"``: The model has none.
        """
        if self.audio_statistics is None:
            raise UserError(
                "the model has no audio statistics; import it again with --stats DATASET",
                "missing",
                "--stats",
            )
        return self.audio_statistics


def load(checkpoint: str | Path, device: str = "cpu") -> Model:
    """Load a trained model.

    Args:
        checkpoint: A checkpoint file, the folder of a run (its newest checkpoint), an exported
            folder, the URL of one of these in a bucket, such as ``"s3://BUCKET/runs/avsa"``, or the
            address of a model on a hub, such as ``"hf://me/avsa-streets"``.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"auto"``.

    Returns:
        The model in evaluation mode.

    Raises:
        UserError: There is no such file, it is not a checkpoint of avsa, or it needs a plugin that
            is not loaded (``"dependency"``); or as `avsa.hub.fetch.local_model`.
    """
    return model_of(read_model(checkpoint), device)


def read_model(checkpoint: str | Path) -> Saved:
    """Return the content of a model; see `load` for its arguments and errors."""
    from avsa.hub.fetch import local_model

    with local_model(checkpoint) as path:
        return read_saved(path)


def model_of(saved: Saved, device: str = "cpu") -> Model:
    """Return the model with given content, in evaluation mode; see `load`."""
    config = saved.config
    encoders = config.encoders.build(config.audio.num_channels)
    encoders.load_state_dict(saved.encoders)
    task = None
    if saved.task is not None:
        task = config.stages[saved.stage].task.build(config.encoders.feature_dim)
        task.load_state_dict(saved.task)
    model = Model(config, encoders, task, saved.audio_statistics, saved.fps, saved.step)
    return model.to(choose_device(device)).eval()


def _checked(video: Array, audio: Array, paired: bool = True) -> tuple[Tensor, Tensor]:
    """Return arrays as tensors, and refuse wrong types and shapes."""
    video, audio = torch.as_tensor(video), torch.as_tensor(audio)
    if video.dtype != torch.uint8 or video.ndim not in (4, 5) or video.shape[-1] != 3:
        raise UserError(
            f"video is {video.dtype} {tuple(video.shape)}; it must be uint8 (T, H, W, 3) or "
            "(B, T, H, W, 3)",
            key="video",
        )
    if not audio.is_floating_point() or audio.ndim != video.ndim - 2 or audio.shape[-2] != 4:
        raise UserError(
            f"audio is {audio.dtype} {tuple(audio.shape)}; it must be float (4, S), or (B, 4, S) "
            "for a batch of videos",
            key="audio",
        )
    if paired and audio.ndim == 3 and len(audio) != len(video):
        raise UserError(
            f"there are {len(video)} videos and {len(audio)} audio clips; give equal numbers",
            "conflict",
            "audio",
        )
    return video, audio
