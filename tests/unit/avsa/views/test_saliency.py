"""Where views are guided to: by sound, by motion, by labels."""

import math
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from avsa.data.loader import DataConfig, Loader
from avsa.data.remote.mirror import REMOTE_FILE
from avsa.data.sampling import Plan
from avsa.views.batch import draw_batch_views
from avsa.views.saliency import open_guide, picture_motion, sound_energy
from avsa.views.sampling import ViewConfig
from yt360.ambisonics.transforms import encode
from yt360.errors import UserError
from yt360.labels.classes import NO_CLASS, number_of
from yt360.labels.format.label_set import LabelSet
from yt360.labels.format.maps import encode_labels
from yt360.shards.format.reader import ShardReader
from yt360.shards.format.schema import shard_name
from yt360.shards.format.writer import ShardWriter
from yt360.sphere import angle_between, direction

VIEWS = ViewConfig(num_views=1, saliency_fraction=1.0)
SILENCE, BLACK = torch.zeros(4, 100), torch.zeros(2, 20, 40, dtype=torch.uint8)


def test_sound_guides_to_its_source():
    source = direction(torch.tensor(1.0), torch.tensor(0.5))
    signal = torch.randn(4800, generator=torch.Generator().manual_seed(0)) * 3000
    guide = sound_energy(encode(signal, source).to(torch.int16))
    row, column = np.unravel_index(guide.argmax(), guide.shape)
    assert row == int((0.5 - 0.5 / math.pi) * 20) and column == int((0.5 - 1 / (2 * math.pi)) * 40)
    assert guide.min() == 0 and guide.max() == 1


def test_motion_guides_to_what_moves():
    luma = torch.full((4, 64, 128), 100, dtype=torch.uint8)
    luma[:, 10:20, 30:40] = torch.tensor([50, 90, 130, 170], dtype=torch.uint8)[:, None, None]
    guide = picture_motion(luma)
    row, column = np.unravel_index(guide.argmax(), guide.shape)
    assert 3 <= row <= 6 and 9 <= column <= 12
    assert np.count_nonzero(guide) < 0.05 * guide.size


def test_a_single_frame_does_not_move():
    assert not picture_motion(torch.full((1, 40, 80), 7, dtype=torch.uint8)).any()


@pytest.mark.parametrize("sampler", ["uniform", "horizon", "grid"])
def test_other_samplers_follow_nothing(tiny_dataset, sampler):
    assert open_guide(ViewConfig(sampler=sampler), ShardReader(tiny_dataset, "train")) is None


@pytest.mark.parametrize("moments", [1, 2])
def test_each_clip_is_guided_by_what_is_in_its_first_moment(tiny_dataset, moments):
    clips, asked = ShardReader(tiny_dataset, "train"), {}

    def guide(key, time_s, luma, sound):
        asked[key] = time_s, luma.clone(), sound.clone()
        column = 4 * len(asked)
        return np.eye(1, 20 * 40, 10 * 40 + column).reshape(20, 40)

    config = DataConfig(num_threads=1, windows_per_clip=moments, window_gap_s=0.5)
    raw = Loader(clips, Plan(clips.video_ids, 4, 0), config, 0, guide=guide).load(0)
    views = draw_batch_views(raw, 0, replace(VIEWS, sampler="energy"))
    for clip, key in enumerate(raw.keys[::moments]):
        row = clip * moments
        time_s, luma, sound = asked[key]
        assert torch.equal(luma, raw.luma[row]) and torch.equal(sound, raw.sound[row])
        assert time_s == pytest.approx(raw.start_s[row] + 0.25)  # the sound is half a second longer
        azimuth = (0.5 - (4 * (clip + 1) + 0.5) / 40) * 2 * math.pi
        towards = direction(torch.tensor(azimuth), torch.tensor(-math.pi / 40))
        seen = views.directions[row : row + moments, 0]
        assert (angle_between(seen, towards.expand_as(seen)) < math.radians(7)).all()


@pytest.fixture
def labelled(tiny_dataset, tmp_path):
    """Clips of which the first one alone has labels: a car ahead in its first second, then a dog
    behind; sky above everywhere."""
    dataset = tmp_path / "labelled"
    shutil.copytree(tiny_dataset, dataset, copy_function=os.link)
    LabelSet(name="mine", fps=4, height=20, width=40, made_by={}).create(dataset)
    maps = np.full((12, 20, 40), NO_CLASS, np.uint8)
    maps[:, :8] = number_of("sky")
    maps[:4, 10, 20] = number_of("car")
    maps[4:, 10, 0] = number_of("dog")
    clips = ShardReader(dataset, "train")
    with ShardWriter(dataset / "train" / shard_name(0, "mine")) as writer:
        writer.add(clips.keys[0], {"mine.npz": encode_labels(maps)})
    return clips


def test_labels_guide_to_objects_of_the_moment(labelled):
    guide = open_guide(replace(VIEWS, sampler="labels", label_set="mine"), labelled)
    early, late = (guide(labelled.keys[0], at, BLACK, SILENCE) for at in (0.5, 2.9))
    assert early[10, 20] == early.sum() == 1
    assert late[10, 0] == late.sum() == 1


def test_labels_guide_to_chosen_classes_of_things_and_stuff(labelled):
    views = replace(VIEWS, sampler="labels", label_set="mine", label_classes=("sky", "dog"))
    found = open_guide(views, labelled)(labelled.keys[0], 0.5, BLACK, SILENCE)
    assert found[:8].all() and not found[8:].any()


def test_a_clip_without_labels_guides_to_nowhere(labelled):
    guide = open_guide(replace(VIEWS, sampler="labels", label_set="mine"), labelled)
    assert not guide(labelled.keys[1], 0.5, BLACK, SILENCE).any()


def test_labels_that_cannot_guide_are_refused_at_once(labelled, monkeypatch):
    views = replace(VIEWS, sampler="labels", label_set="mine")
    with pytest.raises(UserError, match="no labels named 'panoptic'"):
        open_guide(replace(views, label_set="panoptic"), labelled)
    with pytest.raises(UserError, match=r"label_classes: unknown class 'carr'.*car"):
        open_guide(replace(views, label_classes=("carr",)), labelled)
    monkeypatch.setenv("AVSA_CACHE", str(labelled.dataset.parent))
    (labelled.dataset / REMOTE_FILE).write_text("{}")
    with pytest.raises(UserError, match="needs label shards on this machine"):
        open_guide(views, labelled)
