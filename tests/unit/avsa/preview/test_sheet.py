from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from helpers.errors import user_error
from PIL import Image

from avsa.commands.preview import command
from avsa.data.loader import DataConfig
from avsa.preview.panorama_plot import panorama_rgb
from avsa.preview.sheet import (
    DPI,
    HEIGHT_IN,
    VIEW_COLORS,
    WIDTH_IN,
    outline,
    save_preview,
)
from avsa.views.sampling import ViewConfig, draw_views
from avsa.views.spectrogram import AudioConfig

VIEWS = ViewConfig(num_views=3, height=24, width=24)
ONE_VIEW = replace(VIEWS, num_views=1)


def one_view(azimuth_deg, elevation_deg, hfov_deg):
    drawn = draw_views(replace(VIEWS, num_views=1), 0, 0, [0])
    angles = [
        torch.tensor([[math.radians(each)]]) for each in (azimuth_deg, elevation_deg, hfov_deg)
    ]
    return replace(drawn, azimuth=angles[0], elevation=angles[1], hfov=angles[2], vfov=angles[2])


@pytest.mark.parametrize("inputs", ["ambix+intensity", "stereo"])
def test_a_sheet_has_a_row_a_sample_and_every_views_color(tiny_dataset, tmp_path, inputs):
    out = tmp_path / "sheet.png"
    keys = save_preview(
        tiny_dataset, out, DataConfig(), VIEWS, AudioConfig(channels=inputs, n_mels=16), samples=2
    )
    image = np.asarray(Image.open(out).convert("RGB")).astype(int)
    assert image.shape == (round(2 * HEIGHT_IN * DPI), round(WIDTH_IN * DPI), 3)
    for row in np.split(image[: len(image) // 2 * 2], 2):
        for color in VIEW_COLORS[:3]:
            rgb = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
            assert (np.abs(row - rgb).max(-1) < 8).sum() > 500
    assert len(keys) == 2 and keys[0] != keys[1]


def test_the_same_seed_gives_the_same_bytes(tiny_dataset, tmp_path):
    sheets = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        save_preview(
            tiny_dataset, tmp_path / name, DataConfig(), ONE_VIEW, AudioConfig(n_mels=8),
            samples=1, seed=seed,
        )  # fmt: skip
        sheets.append((tmp_path / name).read_bytes())
    assert sheets[0] == sheets[1] != sheets[2]


def test_outlines_follow_the_borders_of_views():
    (line,) = outline(one_view(0, 0, 90), 0)
    # The sides of a 90° view lie at azimuth ±45°, the middle of its top at elevation 45°.
    assert line[:, 0].min() == pytest.approx(0.375, abs=2e-3)
    assert line[:, 0].max() == pytest.approx(0.625, abs=2e-3)
    assert line[:, 1].min() == pytest.approx(0.25, abs=2e-3)


def test_outlines_break_at_the_seam():
    lines = outline(one_view(180, 0, 60), 0)
    assert len(lines) >= 2
    assert all(np.abs(np.diff(line[:, 0])).max() < 0.1 for line in lines)


def test_grey_planes_are_grey_images():
    luma = np.full((8, 16), 126, np.uint8)
    chroma = np.full((2, 4, 8), 128, np.uint8)
    assert np.array_equal(panorama_rgb(luma, chroma), np.full((8, 16, 3), 128))


def test_more_views_than_fit_on_a_sheet_are_refused(tiny_dataset, tmp_path):
    with user_error("out-of-range", "views.num_views"):
        save_preview(
            tiny_dataset, tmp_path / "x.png", DataConfig(), replace(VIEWS, num_views=7),
            AudioConfig(),
        )  # fmt: skip


def test_the_command_names_what_it_drew(tiny_dataset, tmp_path):
    arguments = [str(tiny_dataset), "--out", str(tmp_path / "p.png"), "--samples", "1"]
    arguments += ["--recipe", "small", "--split", "test"]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    assert "p.png: video0" in result.output


def test_an_empty_split_is_refused(make_dataset, tmp_path):
    with user_error("empty", "train"):
        save_preview(make_dataset(), tmp_path / "x.png", DataConfig(), VIEWS, AudioConfig())
