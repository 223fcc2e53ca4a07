"""One sound field stored in three ways gives the same clips, by way of one catalog."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from quality.audio import make_audio
from quality.videos import make_video
from quality.writing import write_video_example

from yt360.catalog import Catalog, MediaFile
from yt360.catalog.build_inputs import catalog_inputs
from yt360.clip_codec.format import ClipFormat
from yt360.commands.inspect import command
from yt360.randomness import keyed_generator
from yt360.shards.builder.build import build_shards
from yt360.shards.builder.options import BuildOptions
from yt360.shards.format.reader import ShardReader

RATE_HZ = 16_000
AMBIX, FUMA, N3D = "ambix______", "fuma_______", "n3d________"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A catalog of three videos with the same picture and the same sound field."""
    ambix = 0.4 * make_audio("ambix", keyed_generator(2, "sound"), 11.0, RATE_HZ).sound
    w, y, z, x = ambix
    third = 3**0.5
    stored = {
        AMBIX: ambix,
        FUMA: np.stack([w / 2**0.5, x, y, z]),
        N3D: np.stack([w, third * y, third * z, third * x]),
    }
    write_video_example(
        tmp_path / "film.mkv", make_video("movers", keyed_generator(2, "m"), 11.0), 5
    )
    path = tmp_path / "my.catalog"
    with Catalog(path, create=True) as catalog:
        catalog.set_media(tmp_path)
        for name, sound in stored.items():
            soundfile.write(tmp_path / f"{name}.wav", sound.T, RATE_HZ, subtype="FLOAT")
            catalog.videos.add(name)
            catalog.videos.requeue([name], "downloaded")
            catalog.files.put(name, MediaFile(role="video", path="film.mkv", bytes=1))
            catalog.files.put(name, MediaFile(role="sound", path=f"{name}.wav", bytes=1))
        catalog.splits.put(list(stored), "test")
    return path


def sounds_of(path: Path, dataset: Path) -> dict[str, np.ndarray]:
    """Build a dataset from a catalog and return the sound (S, 4) of each video."""
    options = BuildOptions(form=ClipFormat(width=64, height=32, fps=4, sample_rate_hz=RATE_HZ))
    with Catalog(path) as catalog:
        found = catalog_inputs(catalog)
    build_shards(found, dataset, options, workers=1)
    reader = ShardReader(dataset, "test")
    return {
        key.rpartition("-")[0]: soundfile.read(io.BytesIO(bytes(reader.read(row, "flac"))))[0]
        for row, key in enumerate(reader.keys)
    }


def inspect(path: Path, *arguments: str) -> dict[str, tuple[str, str | None]]:
    result = CliRunner().invoke(command, [str(path), *arguments])
    assert result.exit_code == 0, result.output
    with Catalog(path) as catalog:
        return {v.video_id: (v.state, v.reason) for v in catalog.videos.select()}


def test_what_is_found_and_what_is_stated_both_reach_the_clips(path: Path, tmp_path: Path) -> None:
    found = inspect(path)
    assert found == {
        AMBIX: ("accepted", None),
        FUMA: ("accepted", None),
        N3D: ("rejected", "n3d"),
    }
    found = inspect(path, "--again", "rejected", "--audio-layout", "n3d")
    assert set(found.values()) == {("accepted", None)}
    sounds = sounds_of(path, tmp_path / "data")
    loudest = np.abs(sounds[AMBIX]).max()
    assert loudest > 0.05
    for name in (FUMA, N3D):
        assert np.abs(sounds[name] - sounds[AMBIX]).max() < 1e-3 * loudest + 2**-14


def test_the_last_inspection_counts(path: Path) -> None:
    inspect(path, "--audio-layout", "n3d", "--projection", "equirectangular")
    with Catalog(path) as catalog:
        video = catalog.videos.get(N3D)
        assert (video.stated_sound_layout, video.stated_projection) == ("n3d", "equirectangular")
    assert inspect(path, "--again", "accepted", "--again", "rejected")[N3D] == ("rejected", "n3d")
    with Catalog(path) as catalog:
        video = catalog.videos.get(N3D)
        assert (video.stated_sound_layout, video.stated_projection) == (None, None)
