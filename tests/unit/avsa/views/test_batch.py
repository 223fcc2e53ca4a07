from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from avsa.data.loader import DataConfig, Loader
from avsa.data.training_order import TrainingOrder
from avsa.training.distributed import World
from avsa.views.audio_statistics import AudioStatistics
from avsa.views.batch import batches, make_batch, turn_audio
from avsa.views.crops import crop_views
from avsa.views.sampling import ViewConfig, draw_views
from avsa.views.spectrogram import AudioConfig
from avsa.views.view_spectrograms import view_spectrograms
from yt360.ambisonics.transforms import rotate
from yt360.shards.format.reader import ShardReader

AUDIO = AudioConfig(n_mels=32)
VIEWS = ViewConfig(num_views=3, height=16, width=20)
STATS = AudioStatistics(torch.linspace(-60, -20, 32), torch.linspace(5, 15, 32))


def load(dataset, step=0, **changes):
    clips = ShardReader(dataset, "train")
    config = DataConfig(num_workers=1, **changes)
    return Loader(clips, TrainingOrder(clips.video_ids, 4, 0), config, 0).load(step)


def test_a_batch_is_made_of_the_draws_of_its_positions(tiny_dataset):
    raw = load(tiny_dataset, step=2)
    batch = make_batch(raw, 7, VIEWS, AUDIO, STATS)
    views = draw_views(VIEWS, 7, raw.epoch, raw.positions)
    assert batch.video.shape == (4, 3, 3, 8, 16, 20) and batch.video.dtype == torch.float32
    assert batch.audio.shape == (4, 3, 4, 101, 32)
    assert torch.equal(batch.directions, views.directions)
    assert torch.equal(batch.video, crop_views(raw.luma, raw.chroma, views, 16, 20))
    expected = view_spectrograms(
        raw.audio, views.rotations, AUDIO, STATS.mean_db, STATS.std_db, views.gain_db
    )
    assert torch.equal(batch.audio, expected)


def test_a_sample_is_the_same_in_any_batch(tiny_dataset):
    clips = ShardReader(tiny_dataset, "train")
    order = TrainingOrder(clips.video_ids, 4, 0)
    whole = make_batch(load(tiny_dataset), 0, VIEWS, AUDIO, STATS)
    for rank in range(4):
        raw = Loader(clips, order, DataConfig(num_workers=1), 0, rank, 4).load(0)
        alone = make_batch(raw, 0, VIEWS, AUDIO, STATS)
        assert torch.equal(alone.video[0], whole.video[rank])
        assert torch.equal(alone.audio[0], whole.audio[rank])


def test_windows_of_a_clip_share_their_views(tiny_dataset):
    raw = load(tiny_dataset, windows_per_clip=2, window_gap_s=0.5)
    batch = make_batch(raw, 0, VIEWS, AUDIO, STATS)
    assert torch.equal(batch.directions[::2], batch.directions[1::2])
    assert torch.equal(batch.views.color[::2], batch.views.color[1::2])
    assert not torch.equal(batch.audio[::2], batch.audio[1::2])
    assert not torch.equal(batch.directions[0], batch.directions[2])


def test_copies_to_a_device_are_one_batch_ahead_and_change_no_batch(tiny_dataset):
    clips = ShardReader(tiny_dataset, "train")
    order, data = TrainingOrder(clips.video_ids, 4, 0), DataConfig(num_workers=1)
    asked = []

    def note(views, raw):
        asked.append(raw.step)
        return views

    def made(device):
        world = World(0, 1, torch.device(device))
        found = batches(clips, order, 0, data, VIEWS, AUDIO, STATS, world, adjust=note)
        for step, batch in zip(range(3), found, strict=False):
            assert batch.raw.step == step
            yield batch

    here = [(batch.raw.positions, batch.views.azimuth) for batch in made("cpu")]
    assert asked == [0, 1, 2]
    asked.clear()
    for step, (there, (positions, azimuth)) in enumerate(zip(made("meta"), here, strict=True)):
        assert asked == list(range(step + 2))
        assert there.video.shape == (4, 3, 3, 8, 16, 20) and there.video.is_meta
        assert there.audio.shape == (4, 3, 4, 101, 32) and there.audio.is_meta
        assert there.raw.positions == positions and torch.equal(there.views.azimuth, azimuth)


@pytest.mark.gpu
def test_batches_on_the_gpu_are_those_on_the_cpu(tiny_dataset):
    clips = ShardReader(tiny_dataset, "train")
    order, data = TrainingOrder(clips.video_ids, 4, 0), DataConfig(num_workers=2)
    made = (
        batches(clips, order, 0, data, VIEWS, AUDIO, STATS, World(0, 1, torch.device(device)))
        for device in ("cpu", "cuda")
    )
    for step, (here, there) in enumerate(zip(*made, strict=False)):
        assert here.raw.keys == there.raw.keys
        assert torch.equal(there.stored_audio.cpu(), here.stored_audio)
        assert torch.allclose(there.video.cpu(), here.video, atol=5e-3)
        assert torch.allclose(there.audio.cpu(), here.audio, atol=5e-3)
        if step == 12:
            break


@pytest.mark.gpu
@pytest.mark.parametrize("inputs", ["ambix+intensity", "stereo"])
def test_a_batch_on_the_gpu_is_that_on_the_cpu(tiny_dataset, inputs):
    audio, raw = replace(AUDIO, channels=inputs), load(tiny_dataset)
    here = make_batch(raw, 0, VIEWS, audio, STATS)
    there = make_batch(raw, 0, VIEWS, audio, STATS, "cuda")
    assert torch.allclose(there.video.cpu(), here.video, atol=5e-3)
    assert torch.allclose(there.audio.cpu(), here.audio, atol=5e-3)


@pytest.mark.gpu
def test_pinned_memory_is_not_refilled_before_it_is_copied(tiny_dataset):
    clips = ShardReader(tiny_dataset, "train")
    order, config = (
        TrainingOrder(clips.video_ids, 4, 0),
        DataConfig(num_workers=2, prefetch_batches=1),
    )
    batches = Loader(clips, order, config, 0, pin_memory=True).batches()
    for step in range(12):
        batch = make_batch(next(batches), 0, VIEWS, AUDIO, STATS, "cuda")
        expected = make_batch(Loader(clips, order, config, 0).load(step), 0, VIEWS, AUDIO, STATS)
        assert torch.allclose(batch.audio.cpu(), expected.audio, atol=5e-3)


def test_turning_views_is_turning_the_signals():
    generator = torch.Generator().manual_seed(0)
    audio = torch.randn(3, 4, 2400, generator=generator, dtype=torch.float64)
    yaw = torch.tensor([0.3, -2.9, 1.6])
    drawn = draw_views(ViewConfig(num_views=5), 0, 0, range(3))
    assert drawn.hflip.any() and not drawn.hflip.all()
    config = AudioConfig(n_mels=16, min_db=-200)
    cos, sin, zero = yaw.cos(), yaw.sin(), 0 * yaw
    matrix = torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, zero + 1], -1).view(3, 3, 3)
    # A source in front is heard at the yaw, which is positive to the left.
    assert torch.allclose(matrix[:, :, 0], torch.stack([cos, sin, zero], -1))
    expected = view_spectrograms(
        rotate(audio, matrix.double()), drawn.rotations, config, torch.zeros(16), torch.ones(16)
    )
    turned = view_spectrograms(
        audio, turn_audio(drawn, yaw).rotations, config, torch.zeros(16), torch.ones(16)
    )
    torch.testing.assert_close(turned, expected, atol=1e-2, rtol=0)
    assert torch.equal(turn_audio(drawn, yaw).azimuth, drawn.azimuth)
