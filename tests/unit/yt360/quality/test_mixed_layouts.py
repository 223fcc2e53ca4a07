"""One sound field stored in three ways gives the same clips, by way of one catalog."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers.fake_media import InlinePool
from helpers.quality_checks import inspect_inline, states, write_catalog

from yt360.catalog import Catalog, State
from yt360.catalog.build_inputs import catalog_inputs
from yt360.clip_codec.format import ClipFormat
from yt360.quality.catalog_run import inspect_again
from yt360.shards.builder.build import build_shards
from yt360.shards.builder.options import BuildOptions
from yt360.shards.format.reader import ShardReader

RATE_HZ = 16_000
AMBIX, FUMA, N3D = "ambix______", "fuma_______", "n3d________"


@pytest.fixture
def path(tmp_path: Path, recordings: Path) -> Path:
    """A catalog of three videos with the same images and the same sound field."""
    (tmp_path / "film.mkv").symlink_to(recordings / "good.mkv")
    w, y, z, x = ambix = 0.4 * soundfile.read(recordings / "good.wav")[0].T
    z[:] = 0  # a horizontal recording, which shows the order of its channels
    third = 3**0.5
    stored = {
        AMBIX: ambix,
        FUMA: np.stack([w / 2**0.5, x, y, z]),
        N3D: np.stack([w, third * y, third * z, third * x]),
    }
    for name, sound in stored.items():
        soundfile.write(tmp_path / f"{name}.wav", sound.T, RATE_HZ, subtype="FLOAT")
    files = {name: ("film.mkv", f"{name}.wav") for name in stored}
    path = write_catalog(tmp_path / "my.catalog", tmp_path, files)
    with Catalog(path) as catalog:
        catalog.splits.put(list(stored), "test")
    return path


def sounds_of(path: Path, dataset: Path) -> dict[str, np.ndarray]:
    """Build a dataset from a catalog and return the sound (S, 4) of each video."""
    options = BuildOptions(form=ClipFormat(width=64, height=32, fps=4, sample_rate_hz=RATE_HZ))
    with Catalog(path) as catalog:
        found = catalog_inputs(catalog)
    build_shards(found, dataset, options, make_pool=InlinePool)
    reader = ShardReader(dataset, "test")
    return {
        key.rpartition("-")[0]: soundfile.read(io.BytesIO(bytes(reader.read(row, "flac"))))[0]
        for row, key in enumerate(reader.keys)
    }


def again(path: Path, *of: State) -> None:
    with Catalog(path) as catalog:
        for state in of:
            inspect_again(catalog, state)


def test_what_is_found_reaches_the_clips(path: Path, tmp_path: Path) -> None:
    """The gain of W is measured and corrected: FuMa and N3D without a declaration."""
    inspect_inline(path)
    assert set(states(path).values()) == {("accepted", None)}
    sounds = sounds_of(path, tmp_path / "data")
    loudest = np.abs(sounds[AMBIX]).max()
    assert loudest > 0.05
    for name in (FUMA, N3D):
        level = np.sqrt(np.mean(sounds[name] ** 2) / np.mean(sounds[AMBIX] ** 2))
        assert np.abs(sounds[name] / level - sounds[AMBIX]).max() < 0.03 * loudest


def test_what_is_stated_reaches_the_clips(path: Path, tmp_path: Path) -> None:
    with Catalog(path) as catalog:
        catalog.videos.drop(AMBIX, "withdrawn")
        catalog.videos.drop(FUMA, "withdrawn")
    inspect_inline(path)
    again(path, "accepted")
    inspect_inline(path, audio_layout="n3d")
    sounds = sounds_of(path, tmp_path / "data")
    with Catalog(path) as catalog:
        assert catalog.videos.get(N3D).stated_sound_layout == "n3d"
    w, y, z, x = sounds[N3D].T
    assert np.mean(y**2 + z**2 + x**2) == pytest.approx(np.mean(w**2), rel=0.05)


def test_the_last_inspection_counts(path: Path) -> None:
    with Catalog(path) as catalog:
        for name in (AMBIX, FUMA):
            catalog.videos.drop(name, "withdrawn")
    inspect_inline(path, audio_layout="n3d", projection="equirectangular")
    with Catalog(path) as catalog:
        video = catalog.videos.get(N3D)
        assert (video.stated_sound_layout, video.stated_projection) == ("n3d", "equirectangular")
    again(path, "accepted", "rejected")
    inspect_inline(path)
    assert states(path)[N3D] == ("accepted", None)
    with Catalog(path) as catalog:
        video = catalog.videos.get(N3D)
        assert (video.stated_sound_layout, video.stated_projection) == (None, None)
