"""Saliency maps of audio, motion and labels."""

import math
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.errors import user_error

from avsa.data.loader import DataConfig, Loader
from avsa.data.remote.mirror import REMOTE_FILE
from avsa.data.training_order import TrainingOrder
from avsa.views.batch import draw_batch_views
from avsa.views.saliency import energy_saliency, motion_saliency, open_saliency
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


def test_energy_is_highest_at_the_source():
    source = direction(torch.tensor(1.0), torch.tensor(0.5))
    signal = torch.randn(4800, generator=torch.Generator().manual_seed(0)) * 3000
    saliency = energy_saliency(encode(signal, source).to(torch.int16))
    row, column = np.unravel_index(saliency.argmax(), saliency.shape)
    assert row == int((0.5 - 0.5 / math.pi) * 20) and column == int((0.5 - 1 / (2 * math.pi)) * 40)
    assert saliency.min() == 0 and saliency.max() == 1


def test_motion_is_highest_where_something_moves():
    luma = torch.full((4, 64, 128), 100, dtype=torch.uint8)
    luma[:, 10:20, 30:40] = torch.tensor([50, 90, 130, 170], dtype=torch.uint8)[:, None, None]
    saliency = motion_saliency(luma)
    row, column = np.unravel_index(saliency.argmax(), saliency.shape)
    assert 3 <= row <= 6 and 9 <= column <= 12
    assert np.count_nonzero(saliency) < 0.05 * saliency.size


def test_a_single_frame_has_no_motion():
    assert not motion_saliency(torch.full((1, 40, 80), 7, dtype=torch.uint8)).any()


@pytest.mark.parametrize("sampler", ["uniform", "horizon", "grid"])
def test_other_samplers_need_no_map(tiny_dataset, sampler):
    assert open_saliency(ViewConfig(sampler=sampler), ShardReader(tiny_dataset, "train")) is None


@pytest.mark.parametrize("windows", [1, 2])
def test_the_map_of_a_clip_is_that_of_its_first_window(tiny_dataset, windows):
    clips, asked = ShardReader(tiny_dataset, "train"), {}

    def saliency(clip, time_s, luma, audio):
        asked[clips.keys[clip]] = time_s, luma.clone(), audio.clone()
        column = 4 * len(asked)
        return np.eye(1, 20 * 40, 10 * 40 + column).reshape(20, 40)

    config = DataConfig(num_workers=1, windows_per_clip=windows, window_gap_s=0.5)
    raw = Loader(clips, TrainingOrder(clips.video_ids, 4, 0), config, 0, saliency=saliency).load(0)
    views = draw_batch_views(raw, 0, replace(VIEWS, sampler="energy"))
    for clip, key in enumerate(raw.keys[::windows]):
        row = clip * windows
        time_s, luma, audio = asked[key]
        assert torch.equal(luma, raw.luma[row]) and torch.equal(audio, raw.audio[row])
        assert time_s == pytest.approx(
            raw.audio_start_s[row] + 0.25
        )  # the audio is half a second longer
        azimuth = (0.5 - (4 * (clip + 1) + 0.5) / 40) * 2 * math.pi
        towards = direction(torch.tensor(azimuth), torch.tensor(-math.pi / 40))
        seen = views.directions[row : row + windows, 0]
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


def test_labels_show_the_objects_of_the_window(labelled):
    saliency = open_saliency(replace(VIEWS, sampler="labels", label_set="mine"), labelled)
    early, late = (saliency(0, at, BLACK, SILENCE) for at in (0.5, 2.9))
    assert early[10, 20] == early.sum() == 1
    assert late[10, 0] == late.sum() == 1


def test_labels_show_chosen_classes_of_things_and_stuff(labelled):
    views = replace(VIEWS, sampler="labels", label_set="mine", label_classes=("sky", "dog"))
    found = open_saliency(views, labelled)(0, 0.5, BLACK, SILENCE)
    assert found[:8].all() and not found[8:].any()


def test_a_clip_without_labels_has_an_empty_map(labelled):
    saliency = open_saliency(replace(VIEWS, sampler="labels", label_set="mine"), labelled)
    assert not saliency(1, 0.5, BLACK, SILENCE).any()


def test_labels_that_cannot_be_followed_are_refused(labelled, monkeypatch):
    views = replace(VIEWS, sampler="labels", label_set="mine")
    with pytest.raises(UserError):
        open_saliency(replace(views, label_set="panoptic"), labelled)
    with user_error("unknown-name", "views.label_classes"):
        open_saliency(replace(views, label_classes=("carr",)), labelled)
    monkeypatch.setenv("AVSA_CACHE", str(labelled.dataset.parent))
    (labelled.dataset / REMOTE_FILE).write_text("{}")
    with user_error("unsupported", "views.sampler"):
        open_saliency(views, labelled)
