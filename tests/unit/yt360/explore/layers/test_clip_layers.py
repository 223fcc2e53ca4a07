"""Laws of the layers by address."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from yt360.clip_codec.flac import encode_flac
from yt360.errors import BadItem
from yt360.explore.layers.clip_layers import AUDIO, ClipLayers
from yt360.explore.layers.model_lock import ModelLock
from yt360.explore.layers.scores import Scores
from yt360.explore.layers.sound import sound_layers

RATE_HZ = 8000
AMBIX = np.random.default_rng(0).integers(-9000, 9000, (4, 2 * RATE_HZ)).astype(np.int16)


class Source:
    """Two clips: one with audio, one without."""

    folder: Path | None = None
    num_clips = 2
    content = encode_flac(AMBIX, RATE_HZ)

    def key(self, row):
        return f"v-{row:05d}"

    def split(self, row):  # noqa: ARG002
        return "train"

    def is_local(self, row):  # noqa: ARG002
        return True

    def member(self, row, name):
        if row or name != AUDIO:
            return None
        flac = self.content
        return SimpleNamespace(size=len(flac), read=lambda start, stop: flac[start:stop])


class Here:
    """Calls functions in this process, and counts them."""

    calls = 0

    def call(self, item, function, *args):  # noqa: ARG002
        self.calls += 1
        return function(*args)


class Run:
    """Sees a view of every clip."""

    identity = "weights"

    def clip(self, key, split):
        return SimpleNamespace(
            facts={"views": [key, split], "score": 0.5}, files={"0.jpg": (b"jpeg", "image/jpeg")}
        )

    def score(self, key, split):
        raise AssertionError((key, split))


class Left:
    """Knows a source on the left."""

    def of_clip(self, key, duration_s):
        return [{"name": key, "azimuth_deg": 90.0, "elevation_deg": 0.0, "end_s": duration_s}]


def test_the_files_are_the_arrays_of_the_clip():
    decoding = Here()
    layers = ClipLayers(Source(), decoding)
    sound = sound_layers(AMBIX, RATE_HZ)
    facts = layers.facts(0)
    assert facts["energy"] == sound.energy_facts and facts["level"] == sound.level_facts
    assert layers.file(0, "energy.bin") == (sound.energy.tobytes(), "application/octet-stream")
    content, kind = layers.file(0, "strip.png")
    assert kind == "image/png" and content.startswith(b"\x89PNG")
    assert decoding.calls == 1


def test_missing_layers_are_none():
    layers = ClipLayers(Source(), Here())
    assert layers.facts(1) == {
        "level": None, "energy": None, "labels": None, "directions": [], "runs": {},
    }  # fmt: skip
    assert layers.site() == {"runs": [], "classes": []}
    for name in ("energy.bin", "strip.png"):
        assert layers.file(1, name) is None


@pytest.mark.parametrize(
    "name", ["", "labels/0.png", "labels/-1.png", "../energy.bin", "runs/0.json", "runs/0/../x.jpg"]
)
def test_other_addresses_have_no_file(name):
    assert ClipLayers(Source(), Here()).file(0, name) is None


def test_runs_and_directions():
    layers = ClipLayers(Source(), Here(), {"run one": Run()}, Left())
    assert layers.site()["runs"] == ["run one"]
    facts = layers.facts(0)
    assert facts["runs"] == {"run one": {"file": "runs/0.json", "version": "weights"}}
    assert facts["directions"][0]["end_s"] == 2.0
    content, kind = layers.file(0, "runs/0.json")
    assert kind == "application/json"
    assert json.loads(content) == {"views": ["v-00000", "train"], "score": 0.5}
    assert layers.file(0, "runs/0/0.jpg") == (b"jpeg", "image/jpeg")
    assert layers.file(0, "runs/0/1.jpg") is None and layers.file(0, "runs/1.json") is None


def test_the_list_has_the_score_that_a_clip_was_shown_with(tmp_path):
    source, runs = Source(), {"run one": Run()}
    scores = Scores(source, runs, ModelLock(), tmp_path, "clips")
    layers = ClipLayers(source, Here(), runs, scores=scores)
    assert [column.name for column in layers.columns] == ["score run one"]
    layers.file(1, "runs/0.json")
    assert layers.rows(0, 2) == {"score run one": [None, 0.5]}
    assert layers.changes(0)["scores"] == {"score run one": ([1], [0.5])}


def test_without_runs_the_list_has_no_scores():
    layers = ClipLayers(Source(), Here())
    layers.finish()
    assert (layers.columns, layers.rows(0, 2), layers.changes(0)) == ((), {}, None)


def test_damaged_audio_is_reported():
    source = Source()
    source.content = b"fLaC"
    with pytest.raises(BadItem):
        ClipLayers(source, Here()).facts(0)


def test_labels_of_a_dataset(labelled_clip):
    source = Source()
    source.folder, key = labelled_clip
    source.key = {0: key}.get
    layers = ClipLayers(source, Here())
    assert "person" in layers.site()["classes"]
    facts = layers.facts(0)["labels"]
    assert facts["times_s"][0] == 0 and facts["legend"]
    last = len(facts["times_s"]) - 1
    assert layers.file(0, f"labels/{last}.png")[0].startswith(b"\x89PNG")
    assert layers.file(0, f"labels/{last + 1}.png") is None


@pytest.fixture
def labelled_clip():
    """Return a labelled dataset, and the key of its first training clip."""
    from helpers.paths import REPOSITORY

    from yt360.shards.format.reader import ShardReader

    dataset = REPOSITORY / "shards"
    return dataset, ShardReader(dataset, "train").keys[0]
