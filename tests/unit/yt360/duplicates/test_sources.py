"""Fingerprints of media files and of a catalog."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.panoramas import FPS, SECONDS, film, place, sound, write_media

from yt360.catalog import Catalog
from yt360.duplicates import audio, picture
from yt360.duplicates.compare import Comparable, compare
from yt360.duplicates.config import DedupConfig
from yt360.duplicates.sources import MAX_RECORDING_S, MediaSource, catalog_sources, parts


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_media(tmp_path_factory.mktemp("media") / "one")


def source_of(media: tuple[Path, Path], **more) -> MediaSource:
    return MediaSource("video", 30.0, media[0], (media[1],), audio_layout="ambix", **more)


def test_media_have_the_frames_and_the_audio_of_w(media):
    ((made,), _) = source_of(media).fingerprints()
    assert (made.facts.video_id, made.facts.start_s) == ("video", 30.0)
    frames = film(place(1), 1, SECONDS, FPS)[:: FPS // picture.FPS, picture.ROWS]
    wanted = picture.unit(picture.coefficients(frames))
    found = picture.unit(picture.coefficients(made.grids))
    scores, yaws = picture.best_turn(wanted, found)
    assert len(found) == SECONDS * picture.FPS and scores.min() > 0.98 and np.abs(yaws).max() < 0.01
    features = audio.audio_features([sound(1, SECONDS, 16_000)[::2]])  # aliased above 4 kHz
    assert abs(len(made.features) - len(features)) <= 1


def test_a_copy_in_another_size_and_quality_is_the_same_footage(media, tmp_path):
    copy = source_of(write_media(tmp_path / "copy", columns=-20, crf=38, size=1))
    a, b = (each.fingerprints()[0][0] for each in (source_of(media), copy))
    match = compare(Comparable(a), Comparable(b), np.array([[4, 4]]), DedupConfig())
    assert match.kind == "same-footage" and match.yaw_deg == pytest.approx(20 / 64 * 360, abs=1)
    assert match.motion > 0.6 and match.audio > 0.9


def test_the_identity_changes_with_the_media_and_with_what_is_stated(media, tmp_path):
    one = source_of(media)
    assert one.identity == source_of(media).identity
    assert one.identity != source_of(media, projection="eac").identity
    assert one.identity != source_of(write_media(tmp_path / "other", columns=1)).identity


def test_a_thumbnail_is_the_frame_at_its_time(media):
    early, late = source_of(media).thumbnails([("video", 30.0), ("video", 34.0)])
    assert early.shape == late.shape == (240, 480, 3)
    assert np.abs(early.astype(int) - late).max() > 20


def test_what_is_no_video_is_skipped_with_the_reason(tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    recordings, skipped = MediaSource("text", 0.0, tmp_path / "text.mp4").fingerprints()
    assert not recordings and [each.reason for each in skipped] == ["not-media"]


def test_long_recordings_are_compared_in_parts():
    seconds = MAX_RECORDING_S + 5
    grids = np.zeros((round(seconds * picture.FPS), picture.NUM_ROWS, picture.WIDTH), np.uint8)
    features = np.zeros((round(seconds * audio.FPS), audio.FEATURES), np.int8)
    made = list(parts("long", 7.0, grids, features))
    assert [each.facts.start_s for each in made] == [7.0, 7.0 + MAX_RECORDING_S]
    assert sum(len(each.grids) for each in made) == len(grids)
    assert sum(len(each.features) for each in made) == len(features)
    assert [each.facts.start_s for each in parts("none", 0.0, grids[:0], features[:0])] == [0.0]


def test_a_catalog_gives_the_media_of_videos_that_are_not_rejected(tmp_path):
    from yt360.catalog.records import MediaFile

    with Catalog(tmp_path / "my.catalog", create=True) as catalog:
        folder = catalog.make_media()
        for number, state in enumerate(["accepted", "downloaded", "rejected", "found"]):
            video_id = f"video{number:06d}"
            catalog.videos.add(video_id)
            (folder / f"{number}.mp4").write_bytes(b"x")
            catalog.files.put(video_id, MediaFile(role="both", path=f"{number}.mp4", bytes=1))
            catalog.execute("UPDATE videos SET state = ? WHERE video_id = ?", (state, video_id))
        found = catalog_sources(catalog)
    assert [each.video_id for each in found] == ["video000000", "video000001"]
    assert found[0].video == folder / "0.mp4"
