"""Doubts about a sound layout are printed and countable, from the probe to the statistics."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from helpers.quality_checks import inspect_inline

from yt360.catalog import Catalog, MediaFile
from yt360.commands import inspect, probe
from yt360.commands.dataset import build_shards, stats

WHAT_IS_WRONG = "normalization: (X²+Y²+Z²)/W² is "


@pytest.fixture(scope="module")
def folder(media, tmp_path_factory) -> Path:
    """A video whose sound is N3D, and one whose sound is ambiX as it should be."""
    folder = tmp_path_factory.mktemp("doubts")
    field = media.plane_waves(list(media.SIX_DIRECTIONS), 4.0)
    for name, gain in (("wrong", 3**0.5), ("right", 1.0)):
        sound = field * np.array([[1], [gain], [gain], [gain]], np.float32) / 4
        media.write(folder / f"{name}.mkv", seconds=4, sound=sound, sound_codec="flac")
    return folder


def output(command, *arguments: object) -> str:
    result = CliRunner().invoke(command, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return result.stdout


def test_probe_prints_them(folder):
    told = output(probe.command, folder / "wrong.mkv", folder / "right.mkv")
    assert told.count(f"warning: {WHAT_IS_WRONG}") == 1
    (facts,) = json.loads(output(probe.command, "--json", folder / "wrong.mkv"))
    assert [doubt["code"] for doubt in facts["audio"][0]["layout"]["warnings"]] == ["normalization"]


def test_inspect_prints_them(folder):
    assert WHAT_IS_WRONG in output(inspect.command, folder / "wrong.mkv")
    (facts,) = json.loads(output(inspect.command, "--json", folder / "wrong.mkv"))
    assert [doubt["code"] for doubt in facts["doubts"]] == ["normalization"]


def test_a_build_prints_and_counts_them_and_its_clips_keep_them(folder, tmp_path):
    small = ("--clip-s", 2, "--height", 32, "--fps", 4, "--workers", 1)
    told = output(build_shards.command, folder, "--out", tmp_path / "dataset", *small)
    assert f"warning: wrong.mkv: {WHAT_IS_WRONG}" in told
    assert "warning: right.mkv" not in told
    assert "normalization                1" in told
    counted = json.loads(output(stats.command, tmp_path / "dataset", "--json"))["categories"]
    assert counted["audio layout warning"] == {"normalization": 1, "none": 1}


def test_a_catalog_counts_them(folder, tmp_path):
    path = tmp_path / "my.catalog"
    with Catalog(path, create=True) as catalog:
        catalog.set_media(folder)
        for name in ("wrong", "right"):
            video_id = f"{name}______"
            catalog.videos.add(video_id)
            catalog.videos.requeue([video_id], "downloaded")
            catalog.files.put(video_id, MediaFile(role="both", path=f"{name}.mkv", bytes=1))
    told = [line.strip() for line in inspect_inline(path).lines()]
    assert "1  audio layout warning (normalization)" in told
    with Catalog(path) as catalog:
        numbers = catalog.verdicts.of("wrong______")["spatial-audio"].numbers
        assert [doubt["code"] for doubt in numbers["doubts"]] == ["normalization"]
