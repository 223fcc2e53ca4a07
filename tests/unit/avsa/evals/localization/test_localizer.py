"""An oracle finds its source, and loses it with other audio."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers.errors import user_error
from torch import nn
from torch.nn.functional import normalize

from avsa.evals.localization.localizer import MAP_SIZE, Localizer, SoundField, audio_energy
from avsa.evals.localization.panorama import lay_back, peak
from avsa.evals.subject import open_subject
from avsa.models.r2plus1d import R2Plus1DConfig
from avsa.views.audio_statistics import AudioStatistics
from avsa.views.sampling import ViewConfig
from avsa.views.spectrogram import AudioConfig
from yt360.ambisonics.transforms import encode
from yt360.sphere import angle_between, direction, equirect_grid

RATE_HZ, ROWS, COLUMNS = 8000, 128, 256
AUDIO = AudioConfig(sample_rate_hz=RATE_HZ, n_mels=8, channels="ambix+intensity")
STATISTICS = AudioStatistics(torch.zeros(8), torch.ones(8))
SIDE, CELLS = 32, 8


class Brightness(nn.Module):
    """Video encoder: whether each cell is bright, and whether it is dark."""

    def forward_maps(self, video):
        # As in a network of strided convolutions, cell i stands for pixel i * size / cells.
        step = video.shape[-1] // CELLS
        cells = video.mean(1)[..., ::step, ::step].clamp(min=0)
        return [torch.stack([cells, (1 - cells).clamp(min=0)], 1)]


class Ahead(nn.Module):
    """Audio encoder: whether the intensity vector of the frame of a view lies in the view."""

    def forward(self, spectrograms):
        y, z, x = spectrograms[:, 4:].mean((2, 3)).T
        half = math.tan(math.radians(45))
        inside = (x > 0.2) & (y.abs() < half * x) & (z.abs() < half * x)
        return torch.stack([2.0 * inside - 1, torch.zeros_like(x)], -1)


class Oracle(nn.Module):
    """A model that knows that what shines is what sounds."""

    feature_dim = 2
    device = torch.device("cpu")

    def __init__(self):
        super().__init__()
        views = ViewConfig(height=SIDE, width=SIDE, hfov_min_deg=90, num_views=4)
        compute = SimpleNamespace(bfloat16="off")
        encoders = SimpleNamespace(video=SimpleNamespace(kind="brightness"))
        self.config = SimpleNamespace(views=views, audio=AUDIO, compute=compute, encoders=encoders)
        self.encoders = SimpleNamespace(video=Brightness(), audio=Ahead())

    def joint_embeddings(self, video, audio):
        # Cosines far from 1, where they grow with the brightness.
        return normalize(video * torch.tensor([1.0, 5.0]), dim=-1), normalize(audio, dim=-1)


@pytest.fixture(scope="module")
def localizer():
    return Localizer(Oracle(), STATISTICS, num_views=4, hfov_deg=None)


def scene(azimuth_deg, elevation_deg):
    """Return planes of a panorama with a bright disc of 12°, its direction, and its audio."""
    target = direction(*(torch.tensor(math.radians(a), dtype=torch.float64)
                         for a in (azimuth_deg, elevation_deg)))  # fmt: skip
    grid = equirect_grid(ROWS, COLUMNS, dtype=torch.float64)
    apart = torch.rad2deg(angle_between(grid, target))
    luma = torch.where(apart < 12, 220 - 5 * apart, 60).to(torch.uint8)[None].expand(2, -1, -1)
    chroma = torch.full((2, 2, ROWS // 2, COLUMNS // 2), 128, dtype=torch.uint8)
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 3000, RATE_HZ))
    return luma, chroma, target, encode(noise, target).to(torch.int16)


@pytest.mark.parametrize("where", [(10, 5), (178, -20), (-75, 40), (60, 75), (-130, -65)])
def test_an_oracle_finds_the_source_and_controls_lose_it(localizer, where):
    luma, chroma, target, audio = scene(*where)
    *_, elsewhere = scene(where[0] + 150, -where[1])
    maps = localizer.evidence(luma, chroma, {
        "model": SoundField(audio),
        "silent": SoundField(torch.zeros_like(audio)),
        "swapped": SoundField(elsewhere),
        "turned": SoundField(audio, math.radians(150)),
    })  # fmt: skip
    assert angle_between(peak(maps["model"]), target) < math.radians(8)  # cells have 11°
    # Near the vertical, a field that is turned about it changes little.
    for control in ("silent", "swapped", "turned") if abs(where[1]) < 60 else ("silent", "swapped"):
        found = peak(maps[control])
        assert found is None or angle_between(found, target) > math.radians(20)


def test_a_turned_field_is_as_good_as_one_recorded_so(localizer):
    *_, audio = scene(20, 10)
    luma, chroma, target, turned = scene(120, 10)
    maps = localizer.evidence(luma, chroma, {
        "turned": SoundField(audio, math.radians(100)), "recorded": SoundField(turned),
    })  # fmt: skip
    assert angle_between(peak(maps["turned"]), target) < math.radians(8)
    assert torch.allclose(maps["turned"], maps["recorded"], rtol=1e-3, atol=1e-8)


def test_views_that_do_not_match_have_no_weight(localizer, monkeypatch):
    scores = torch.linspace(-1, 1, len(localizer.view_set))
    monkeypatch.setattr(
        "avsa.evals.localization.localizer.grad_cam",
        lambda maps, _: (torch.ones(len(maps), *maps.shape[-2:]), scores),
    )
    luma, chroma, _, audio = scene(0, 0)
    found = localizer.evidence(luma, chroma, {"model": SoundField(audio)})["model"]
    weights = ((1 + scores.double()) / 2)[:, None, None, None].expand(-1, 1, CELLS, CELLS)
    assert torch.allclose(found, lay_back(weights, localizer.view_set, *MAP_SIZE)[0], atol=1e-6)
    assert found.min() < 0.1 and found.max() > 0.9


def test_the_audio_energy_peaks_at_the_source_in_its_band():
    *_, target, audio = scene(-60, 20)
    hum = 9000 * torch.sin(2 * math.pi * 100 / RATE_HZ * torch.arange(RATE_HZ))
    disturbed = (audio + encode(hum, direction(2.0, 0.0))).to(torch.int16)
    found = peak(audio_energy(disturbed, RATE_HZ, (500, 4000)))
    assert angle_between(found, target) < math.radians(4)
    assert angle_between(peak(audio_energy(disturbed, RATE_HZ, (0, 4000))), target) > 0.5


def test_translation_networks_see_as_many_views_as_in_training(scene_run):
    model = open_subject(str(scene_run.run), "cpu").model
    localizer = Localizer(model, model.audio_statistics, num_views=4, hfov_deg=90.0)
    maps = torch.rand(16, model.feature_dim, 1, 2, 2)
    audio = torch.rand(16, model.feature_dim)
    scores = localizer._scores(maps, audio)
    elevations_deg = np.array(localizer.view_set.centers_deg)[:, 1]
    for first in range(4):
        group = [first, first + 4, first + 8, first + 12]
        # Two views on the horizon, one above, one below.
        assert sorted(elevations_deg[group]) == [-60, 0, 0, 60]
        video, heard = model.joint_embeddings(maps.amax((2, 3, 4))[group], audio[group])
        assert torch.allclose(scores[group], (video * heard).sum(-1), atol=1e-6)


def test_cells_of_the_encoder_lie_where_maps_are_laid_back():
    """The gradient of a cell with respect to the pixels is centred on pixel i * size / cells."""
    network = R2Plus1DConfig(base_channels=1, blocks_per_stage=1).build().double().eval()
    for weight in network.parameters():
        nn.init.constant_(weight, 0.1)
    video = torch.ones(1, 3, 1, 160, 160, dtype=torch.float64, requires_grad=True)
    cells = network.forward_maps(video)[-1][0, :, 0].sum(0)
    cells[5, 4].backward()
    weight = video.grad.abs().sum((0, 1, 2))
    pixels = torch.arange(160, dtype=torch.float64)
    centre = [float((weight.sum(axis) * pixels).sum() / weight.sum()) for axis in (1, 0)]
    assert cells.shape == (10, 10)
    assert centre == pytest.approx([80, 64], abs=0.01)
    oracle = Oracle()
    oracle.config.views = replace(oracle.config.views, height=160, width=160)
    shift = Localizer(oracle, STATISTICS, 4, None)._shift(cells)
    for pixel, cell, moved in zip(centre, (5, 4), shift, strict=True):
        plane = (pixel + 0.5) / 80 - 1  # of view_grid
        assert ((plane + moved + 1) * 10 - 1) / 2 == pytest.approx(cell, abs=1e-3)


def test_models_that_cannot_be_explained_are_refused(scene_run):
    model = open_subject(str(scene_run.run), "cpu").model
    video = model.encoders.video
    model.encoders.video = nn.Identity()
    with user_error("unsupported", "encoders.video"):
        Localizer(model, STATISTICS, 4, None)
    model.encoders.video, model.task = video, None
    with user_error("unsupported", "task"):
        Localizer(model, STATISTICS, 4, None)
