"""The sheet of clips shows frame, labels and audio of one time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers.in_process import in_process
from PIL import Image

from yt360.clip_codec.flac import encode_flac
from yt360.labels import clip_sheet
from yt360.labels.classes import palette
from yt360.labels.clip_sheet import GAP, MIN_WIDTH, TITLE, audio_around, draw_clip_sheet
from yt360.labels.pseudolabel import LabelOptions, pseudolabel
from yt360.sphere import direction, equirect_grid


@pytest.mark.parametrize(
    ("at_s", "first", "last"), [(0.0, 0, 50), (0.2, 0, 70), (1.7, 120, 220), (3.0, 249, 300)]
)
def test_the_audio_is_the_second_around_the_frame(at_s, first, last):
    samples = np.arange(4 * 300, dtype=np.int16).reshape(4, 300)
    found = audio_around(encode_flac(samples, 100), at_s)
    assert np.array_equal(found, samples[:, first:last])


def test_all_columns_show_the_same_time(dataset, clips, paint, tmp_path, monkeypatch):
    """A person moves by 80° in a second, from an azimuth of 60°."""
    options = LabelOptions(views="cube-100", view_size=32, height=32)
    pseudolabel(dataset, paint.Segmenter(), options, isolate=in_process)
    heard = []

    def around(flac, at_s):
        heard.append(at_s)
        return audio_around(flac, at_s)

    monkeypatch.setattr(clip_sheet, "audio_around", around)
    grid = equirect_grid(MIN_WIDTH // 2, MIN_WIDTH).numpy()
    for at_s, azimuth_deg in ((0.0, 60.0), (0.75, 120.0)):
        draw_clip_sheet(dataset, tmp_path / "p.png", labels="panoptic", at_s=at_s,
                        keys=[list(clips)[1]], isolate=in_process)  # fmt: skip
        sheet = np.asarray(Image.open(tmp_path / "p.png").convert("RGB")).astype(int)
        person = direction(math.radians(azimuth_deg), math.radians(10)).numpy()
        for left in (GAP, 2 * GAP + MIN_WIDTH):
            column = sheet[TITLE : TITLE + MIN_WIDTH // 2, left : left + MIN_WIDTH]
            shown = np.abs(column - palette()[0]).max(-1) < 40
            area = np.sqrt(1 - grid[..., 2] ** 2)[shown, None]
            middle = (grid[shown] * area).sum(0)
            assert person @ middle / np.linalg.norm(middle) > math.cos(math.radians(5))
    assert heard == [0.0, 0.75]
