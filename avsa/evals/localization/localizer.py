"""The maps of a clip: Grad-CAM of the matching score, and audio energy.

As in training, the video of each view is compared with the audio of the clip rotated into that
view. The score of a view is the cosine of its two joint embeddings. Translation
networks see as many views together as in training; such groups are spread over the sphere.

Shapes: V views, K views of a group, D features, T frames, (h, w) of the last feature map,
S audio samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from avsa.evals.features import fixed_views
from avsa.evals.localization.grad_cam import grad_cam
from avsa.evals.localization.panorama import covering_views, lay_back
from avsa.hub.load import Model
from avsa.models.base import with_maps
from avsa.models.compute import autocast
from avsa.views.audio_statistics import AudioStatistics
from avsa.views.batch import turn_audio
from avsa.views.crops import crop_views
from avsa.views.sampling import Views, draw_views
from avsa.views.view_spectrograms import view_spectrograms
from yt360.ambisonics.transforms import energy_map

DEFAULT_HFOV_DEG = 80.0
MAP_SIZE = (90, 180)
"""Rows and columns of the maps: pixels of 2°."""


@dataclass(frozen=True)
class SoundField:
    """A sound field that is compared with the video of a clip.

    Attributes:
        audio: int16 ambiX (4, S).
        yaw: Angle in radians by which it is turned about the vertical.
    """

    audio: Tensor
    yaw: float = 0.0


class Localizer:
    """Computes the maps of clips.

    Args:
        model: In evaluation mode, with an encoder of video that has feature maps and a task that
            compares embeddings.
        statistics: Standardize the spectrograms.
        num_views: K, the number of views that translation networks see together.
        hfov_deg: Field of view; None for 80°, or the nearest that training used.

    Raises:
        UserError: The model has no feature maps or embeddings, or views do not cover the sphere.
    """

    def __init__(
        self, model: Model, statistics: AudioStatistics, num_views: int, hfov_deg: float | None
    ) -> None:
        self.model, self.statistics = model, statistics
        self.encoder = with_maps(model.encoders.video)
        nothing = torch.zeros(1, 1, model.feature_dim, device=model.device)
        model.joint_embeddings(nothing, nothing)  # raises if the task compares no embeddings
        self.config = model.config.views
        if hfov_deg is None:
            least, most = self.config.hfov_min_deg, self.config.hfov_max_deg
            hfov_deg = min(max(DEFAULT_HFOV_DEG, least), most)
        self.view_set = covering_views(hfov_deg)
        self.views = self._views()
        self.num_views = num_views
        self.num_groups = -(-len(self.view_set) // num_views)

    def _views(self) -> Views:
        """Return the views (1, V) without jitter."""
        config = fixed_views(self.config, len(self.view_set), self.view_set.hfov_deg)
        views = draw_views(config, 0, 0, [0])
        azimuth, elevation = (angle.float()[None] for angle in self.view_set.centers())
        return replace(
            views,
            azimuth=azimuth,
            elevation=elevation,
            audio_azimuth=azimuth,
            audio_elevation=elevation,
            vfov=views.hfov,
        )

    @torch.no_grad()
    def evidence(
        self, luma: Tensor, chroma: Tensor, fields: Mapping[str, SoundField]
    ) -> dict[str, Tensor]:
        """Return a map (90, 180), float64 on the CPU, of the evidence for each sound field.

        The Grad-CAM of a view, in units of the score s, is weighted by (1 + s) / 2, so that views
        that do not match their audio have a low weight. Views are averaged where they overlap.

        Args:
            luma: uint8 (T, H, W), the panorama.
            chroma: uint8 (2, T, H / 2, W / 2).
            fields: Sound fields by name.
        """
        device, config = self.model.device, self.config
        luma, chroma = luma[None].to(device), chroma[None].to(device)
        video = crop_views(luma, chroma, self.views, config.height, config.width)[0]
        with autocast(self.model.config.compute, device):
            maps = self.encoder.forward_maps(video)[-1].float()
        found = []
        for each in fields.values():
            audio = self._audio_features(each)
            cams, scores = grad_cam(maps, lambda m, audio=audio: self._scores(m, audio))  # type: ignore[misc]
            found.append(cams * ((1 + scores) / 2)[:, None, None])
        laid = lay_back(
            torch.stack(found, 1).double().cpu(), self.view_set, *MAP_SIZE, self._shift(maps)
        )
        return dict(zip(fields, laid, strict=True))

    def _audio_features(self, field: SoundField) -> Tensor:
        """Return features (V, D) of the audio in each view."""
        views = turn_audio(self.views, torch.tensor([field.yaw]))
        spectrograms = view_spectrograms(
            field.audio[None].to(self.model.device),
            views.rotations,
            self.model.config.audio,
            self.statistics.mean_db,
            self.statistics.std_db,
        )
        with autocast(self.model.config.compute, self.model.device):
            features: Tensor = self.model.encoders.audio(spectrograms[0])
        return features.float()

    def _scores(self, maps: Tensor, audio: Tensor) -> Tensor:
        """Return the cosines (V,) of feature maps (V, D, T, h, w) and audio features (V, D)."""
        features = maps.amax(dim=(2, 3, 4))  # as `VideoEncoderConfig` defines them
        scores = features.new_zeros(len(features))
        for first in range(self.num_groups):
            group = slice(first, None, self.num_groups)
            embeddings = self.model.joint_embeddings(features[group][None], audio[group][None])
            scores[group] = (embeddings[0] * embeddings[1]).sum(-1)[0]
        return scores

    def _shift(self, maps: Tensor) -> tuple[float, float]:
        """Return how far the cells of a feature map lie left of and above an even partition.

        Strided convolutions with symmetric padding centre cell i of n on pixel i * size / n, not on
        the middle of its part of the view.
        """
        right, down = (
            1 / cells - 1 / size
            for cells, size in (
                (maps.shape[-1], self.config.width),
                (maps.shape[-2], self.config.height),
            )
        )
        return right, down


def audio_energy(audio: Tensor, sample_rate_hz: int, band_hz: tuple[float, float]) -> Tensor:
    """Return the power (90, 180) of cardioid beams in a band of frequencies.

    Args:
        audio: int16 ambiX (4, S).
        sample_rate_hz: Sample rate.
        band_hz: Lowest and highest frequency.
    """
    spectrum = torch.fft.rfft(audio.double())
    frequencies = torch.fft.rfftfreq(audio.shape[-1], 1 / sample_rate_hz)
    inside = (frequencies >= band_hz[0]) & (frequencies <= band_hz[1])
    return energy_map(spectrum[:, inside], *MAP_SIZE)
