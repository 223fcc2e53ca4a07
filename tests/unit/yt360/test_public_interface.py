"""What ``import yt360`` offers: clips as arrays, views of them, and it costs nothing to import."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from helpers.errors import user_error
from helpers.paths import REPOSITORY

import yt360
from yt360.errors import BadItem, UserError
from yt360.shards.check.clip import check_clip
from yt360.shards.format.clip_facts import parse_facts

SHARDS = REPOSITORY / "shards"


@pytest.fixture(scope="module")
def reader():
    return yt360.open_dataset(SHARDS, "test")


def test_every_public_name_is_there_and_listed():
    assert set(yt360.__all__) <= set(dir(yt360))
    assert all(getattr(yt360, name) for name in yt360.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'read_clips'"):
        yt360.read_clips  # noqa: B018 - looking is the test


def test_a_clip_has_the_frames_samples_and_facts_of_its_members(reader):
    key = reader.keys[0]
    clip = yt360.read_clip(reader, key)
    assert key in repr(clip) and str(clip.ambix.shape) in repr(clip) and len(repr(clip)) < 200
    assert f"{len(reader)} clips" in repr(reader)
    assert clip.facts == json.loads(bytes(reader.read(0, "json")))
    assert (clip.key, clip.video_id, clip.start_s) == (
        key, reader.video_ids[0], reader.rows[0].start_s,
    )  # fmt: skip
    height, width = clip.facts["height"], clip.facts["width"]
    assert clip.frames.shape == (round(clip.duration_s * clip.fps), height, width, 3)
    assert clip.frames.dtype == np.uint8
    assert clip.ambix.shape == (4, round(clip.duration_s * clip.sample_rate_hz))
    assert clip.ambix.dtype == np.float32 and 0 < np.abs(clip.ambix).max() <= 1
    facts = parse_facts(reader.read(0, "json"))
    check_clip(facts, bytes(reader.read(0, "mp4")), bytes(reader.read(0, "flac")))


def test_folder_shard_and_reader_give_the_same_clip(reader):
    row = reader.rows[-1]
    shard = SHARDS / "test" / row.shard
    clips = [yt360.read_clip(source, row.key) for source in (SHARDS, str(shard), reader)]
    for clip in clips[1:]:
        np.testing.assert_array_equal(clip.frames, clips[0].frames)
        np.testing.assert_array_equal(clip.ambix, clips[0].ambix)
        assert clip.facts == clips[0].facts


def test_a_clip_that_is_not_there_is_told_with_the_nearest_name(reader):
    key = reader.keys[0]
    shard = SHARDS / "test" / reader.rows[0].shard
    for source in (SHARDS, shard, reader):
        with pytest.raises(UserError, match=f"no clip '{key}0' .*{key}"):
            yt360.read_clip(source, f"{key}0")
    with user_error("missing"):
        yt360.read_clip(SHARDS / "train", key)


def test_a_damaged_clip_is_a_bad_item(reader, monkeypatch):
    read = reader.read
    for member in ("mp4", "flac", "json"):
        monkeypatch.setattr(
            reader,
            "read",
            lambda clip, name, bad=member: read(clip, name)[: 9 if name == bad else None],
        )
        with pytest.raises(BadItem, match=f"bad-{member}"):
            yt360.read_clip(reader, reader.keys[0])


def test_the_middle_of_a_view_is_its_direction():
    """A panorama whose colours tell directions: any view shows its own in the middle."""
    azimuth = (0.5 - (np.arange(512) + 0.5) / 512) * 2 * np.pi
    elevation = (0.5 - (np.arange(256) + 0.5) / 256)[:, None] * np.pi
    x, y, z = np.broadcast_arrays(
        np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)
    )
    panorama = np.round(128 + 120 * np.stack([x, y, z], -1)).astype(np.uint8)
    for azimuth_deg, elevation_deg in ((0, 0), (90, 0), (180, 20), (-60, -45), (30, 90)):
        view = yt360.crop_view(panorama, azimuth_deg, elevation_deg, height=33, width=65)
        assert view.shape == (33, 65, 3)
        a, e = math.radians(azimuth_deg), math.radians(elevation_deg)
        wanted = [math.cos(e) * math.cos(a), math.cos(e) * math.sin(a), math.sin(e)]
        np.testing.assert_allclose((view[16, 32] - 128.0) / 120, wanted, atol=0.02)
    left = yt360.crop_view(panorama, 0, height=33, width=65)[16, 0]  # 45° to the left
    assert left[1] > 128 + 120 * math.sin(math.radians(43))


def test_a_view_of_many_frames_is_that_of_each():
    frames = np.random.default_rng(0).integers(0, 256, (20, 16, 32, 3), dtype=np.uint8)
    views = yt360.crop_view(frames, 10, 20, hfov_deg=70, height=8, width=12, roll_deg=5)
    for frame, view in zip(frames, views, strict=True):
        alone = yt360.crop_view(frame, 10, 20, hfov_deg=70, height=8, width=12, roll_deg=5)
        np.testing.assert_array_equal(view, alone)


def test_stripes_too_fine_for_a_view_become_grey():
    stripes = np.where(np.arange(2048)[None, :, None] % 2, 255, 0).astype(np.uint8)
    stripes = np.broadcast_to(stripes, (1024, 2048, 3))
    assert yt360.crop_view(stripes, 30, height=64, width=64).astype(float).std() < 8


def test_a_source_in_the_middle_of_a_view_is_heard_ahead():
    a, e = math.radians(60), math.radians(20)
    gains = [1, math.cos(e) * math.sin(a), math.sin(e), math.cos(e) * math.cos(a)]
    wave = np.random.default_rng(0).standard_normal(50)
    ambix = np.outer(gains, wave).astype(np.float32)
    turned = yt360.rotate_to_view(ambix, 60, 20)
    np.testing.assert_allclose(turned, np.outer([1, 0, 0, 1], wave), atol=1e-6)


def test_the_energy_map_is_largest_where_the_source_is():
    a, e = math.radians(60), math.radians(20)
    gains = [1, math.cos(e) * math.sin(a), math.sin(e), math.cos(e) * math.cos(a)]
    wave = np.random.default_rng(0).standard_normal(50).astype(np.float32)
    power = yt360.energy_map(np.outer(gains, wave).astype(np.float32), 90, 180)
    row, column = np.unravel_index(power.argmax(), power.shape)
    assert (90 - (row + 0.5) * 2, 180 - (column + 0.5) * 2) == pytest.approx((20, 60), abs=1.01)
    assert power.max() == pytest.approx(float(np.mean(wave**2)), rel=1e-3)


@pytest.mark.parametrize("frames", [np.zeros((4, 8), np.uint8), np.zeros((4, 8, 3))])
def test_wrong_arrays_are_refused(frames):
    with pytest.raises(UserError, match="give uint8"):
        yt360.crop_view(frames, 0)
    for function in (lambda ambix: yt360.rotate_to_view(ambix, 0), yt360.energy_map):
        with pytest.raises(UserError, match="give ambiX"):
            function(np.zeros((3, 5), np.float32))
    with pytest.raises(UserError, match="between 0 and 180"):
        yt360.crop_view(np.zeros((4, 8, 3), np.uint8), 0, hfov_deg=180)


def test_probe_takes_a_path_as_text():
    with pytest.raises(BadItem, match="does not exist"):
        yt360.probe("no such file.mp4")
