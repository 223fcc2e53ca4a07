"""Real clips through the whole data path: views see and hear what is known to be there."""

import math

import pytest
import torch

from avsa.data.loader import DataConfig, Loader
from avsa.data.order import SequentialOrder
from avsa.views.audio_statistics import AudioStatistics
from avsa.views.batch import make_batch
from avsa.views.crops import crop_views
from avsa.views.sampling import ViewConfig, Views, draw_views
from avsa.views.spectrogram import AudioConfig
from avsa.views.view_spectrograms import view_spectrograms
from yt360.shards.builder.build import build_shards
from yt360.shards.builder.inputs.search import find_inputs
from yt360.shards.builder.options import BuildOptions
from yt360.shards.format.reader import ShardReader

pytestmark = [pytest.mark.real, pytest.mark.slow]

AUDIO = AudioConfig(channels="ambix+intensity")
STATS = AudioStatistics(torch.zeros(AUDIO.n_mels), torch.ones(AUDIO.n_mels))


@pytest.fixture(scope="module")
def loader(real_data, tmp_path_factory):
    dataset = tmp_path_factory.mktemp("real") / "dataset"
    found = find_inputs([real_data / "real-clips"], exclude=dataset)
    build_shards(found, dataset, BuildOptions(test_fraction=0.0))
    clips = ShardReader(dataset, "train")
    return Loader(clips, SequentialOrder(len(clips), 1), DataConfig(), seed=0)


def sample(loader, video):
    """Return a sample of the clip of a video."""
    clip = next(i for i, key in enumerate(loader.clips.keys) if key.startswith(video))
    return loader.load(clip)


def looking(*azimuths_deg, hfov_deg=60.0):
    """Return views on the horizon without jitter."""
    plain = draw_views(ViewConfig(augment=False, num_views=len(azimuths_deg)), 0, 0, [0])
    azimuth = torch.deg2rad(torch.tensor([azimuths_deg]))
    level = torch.zeros_like(azimuth)
    field = torch.full_like(azimuth, math.radians(hfov_deg))
    return Views(
        azimuth, level, azimuth, level, field, field,
        plain.hflip, plain.color, plain.gain_db,
    )  # fmt: skip


def test_piano_left_and_voice_right_are_heard_ahead_in_their_views(loader):
    raw = sample(loader, "calibration")
    front, left, right = view_spectrograms(
        raw.audio, looking(0.0, 90.0, -90.0).rotations, AUDIO, STATS.mean_db, STATS.std_db
    )[0]
    loud = front[0] > front[0].max() - 30
    ahead = [view[6][loud] for view in (front, left, right)]
    # No source lies on the front-back axis; to the sides much of the energy (the seagulls are
    # above) comes from ahead or from behind.
    assert ahead[0].abs().mean() < 0.05
    assert ahead[1].abs().mean() > 0.3 and ahead[2].abs().mean() > 0.3
    assert torch.allclose(ahead[1], -ahead[2], atol=1e-4)
    # Levels agree with it: ahead (X) is loud in the views to the sides, not in front.
    assert (left[3] - front[3])[loud].mean() > 10


def test_labels_painted_in_the_picture_are_in_the_middle_of_their_views(loader):
    raw = sample(loader, "calibration")
    rgb = crop_views(raw.luma, raw.chroma, looking(90.0, -90.0, 40.0, hfov_deg=20.0), 32, 32)
    piano, voice, nothing = rgb[0, :, :, 4, 8:24, 8:24].mean((2, 3))
    # Yellow blobs with a name stand at the sources: much less blue than red. Else all is grey.
    for blob in (piano, voice):
        assert blob[0] - blob[2] > 1.5
    assert (nothing - nothing.mean()).abs().max() < 0.5


def test_the_singer_is_ahead_where_he_stands(loader):
    raw = sample(loader, "kqAZkf5Odyw")
    toward, away = view_spectrograms(
        raw.audio, looking(15.0, -165.0).rotations, AUDIO, STATS.mean_db, STATS.std_db
    )[0]
    loud = toward[0] > toward[0].max() - 30
    assert toward[6][loud].mean() > 0.1 > -0.1 > away[6][loud].mean()


def test_batches_of_real_clips_are_in_the_range_of_networks(loader):
    batch = make_batch(sample(loader, "kqAZkf5Odyw"), 0, ViewConfig(), AUDIO, STATS)
    assert torch.isfinite(batch.video).all() and torch.isfinite(batch.audio).all()
    assert batch.video.abs().max() < 8
