import contextlib
import errno
import resource
import subprocess
from pathlib import Path

import numpy as np
import pytest
from helpers.errors import bad_item

from yt360.errors import BadItem
from yt360.media.containers.opening import open_media
from yt360.media.containers.tagging import tag_spherical
from yt360.media.ffmpeg import ffmpeg_binary
from yt360.media.probe import probe


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "aac"),
        ("a.mov", "pcm_s16le"),
        ("a.mkv", "flac"),
        ("a.webm", "libopus"),
        ("a.ts", "aac"),
    ],
)
def test_every_container_tells_the_same(media, field, tmp_path, name, codec):
    opus = {"audio_layout": "ambisonic 1", "sound_options": {"mapping_family": "2"}}
    path = media.write(
        tmp_path / name,
        seconds=2,
        video_codec="libvpx-vp9" if name == "a.webm" else "libx264",
        sound=field,
        sound_codec=codec,
        **(opus if codec == "libopus" else {}),
    )
    info = probe(path)
    (video,), (audio,) = info.video, info.audio
    assert (video.width, video.height, video.rotation_deg) == (96, 48, 0)
    assert video.frame_rate_measured == pytest.approx(24, rel=1e-3)
    assert video.frames_measured == 48
    assert not video.variable_frame_rate
    assert video.start_s == pytest.approx(0, abs=0.05)
    assert video.end_s == pytest.approx(2, abs=0.05)
    assert (audio.channels, audio.sample_rate_hz) == (4, 48000)
    assert audio.layout.name == "ambix"
    assert audio.end_s == pytest.approx(2, abs=0.05)
    assert info.duration_measured_s == pytest.approx(2, abs=0.05)
    assert info.spatial_audio == audio
    assert info.size_bytes == path.stat().st_size
    assert not info.is_truncated


@pytest.mark.parametrize(
    ("name", "codec"), [("a.wav", "pcm_s16le"), ("a.flac", "flac"), ("a.ogg", "libvorbis")]
)
def test_files_of_sound_alone(media, field, tmp_path, name, codec):
    path = tmp_path / name
    if codec == "libvorbis":
        wav = media.write(tmp_path / "b.wav", fps=None, sound=field, sound_codec="pcm_s16le")
        arguments = ["-i", wav, "-c:a", codec, "-q:a", "10", path]
        subprocess.run([ffmpeg_binary(), "-loglevel", "error", *arguments], check=True)
    else:
        media.write(path, fps=None, sound=field, sound_codec=codec)
    info = probe(path)
    assert info.video == ()
    assert info.audio[0].layout.name == "ambix"
    assert info.audio[0].duration_measured_s == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize("fps", ["24000/1001", "25", "30000/1001", "50", "60"])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_the_frame_rate_is_measured(media, tmp_path, fps, name):
    top, _, bottom = fps.partition("/")
    video = probe(media.write(tmp_path / name, fps=fps, seconds=3)).video[0]
    assert video.frame_rate_measured == pytest.approx(int(top) / int(bottom or 1), rel=1e-3)
    assert not video.variable_frame_rate


def test_a_variable_frame_rate_is_seen(media, tmp_path):
    path, varied = media.write(tmp_path / "a.mp4", seconds=3), tmp_path / "b.mp4"
    filters = "select='not(eq(mod(n,7),3))+gt(n,40)'"
    arguments = ["-i", path, "-vf", filters, "-fps_mode", "vfr", varied]
    subprocess.run([ffmpeg_binary(), "-loglevel", "error", *arguments], check=True)
    assert probe(varied).video[0].variable_frame_rate


def test_starts_that_differ_are_measured(media, tmp_path, field):
    late = probe(media.write(tmp_path / "a.mkv", seconds=2, sound=field, sound_start_s=0.5))
    assert late.audio[0].start_s == pytest.approx(0.5, abs=0.03)
    assert late.video[0].start_s == pytest.approx(0.0, abs=0.001)
    early = probe(media.write(tmp_path / "b.mp4", seconds=2, sound=field, video_start_s=0.5))
    assert early.audio[0].start_s == pytest.approx(0.0, abs=0.001)
    assert early.video[0].start_s == pytest.approx(0.5, abs=0.001)


@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
def test_rotation_is_read(media, tmp_path, rotation):
    video = probe(media.write(tmp_path / "a.mp4", seconds=0.5, rotation_deg=rotation)).video[0]
    assert abs(video.rotation_deg) == abs(rotation)
    assert video.shown_size == ((48, 96) if rotation in (90, -90) else (96, 48))


def test_one_frame_is_a_video_of_one_frame(media, tmp_path):
    video = probe(media.write(tmp_path / "a.mp4", seconds=0.04)).video[0]
    assert (video.frames_measured, video.frame_rate_measured) == (1, 0.0)
    assert video.duration_measured_s == pytest.approx(1 / 24, abs=0.01)


def test_sound_that_ends_early_has_its_own_duration(media, tmp_path, field):
    info = probe(media.write(tmp_path / "a.mp4", seconds=4, sound=field))
    assert info.audio[0].duration_measured_s == pytest.approx(2, abs=0.05)
    assert info.video[0].duration_measured_s == pytest.approx(4, abs=0.01)


@pytest.mark.parametrize("channels", [1, 2])
def test_mono_and_stereo_are_not_spatial(media, field, tmp_path, channels):
    info = probe(media.write(tmp_path / "a.mp4", sound=field[:channels]))
    assert info.spatial_audio is None
    assert info.audio[0].layout.name == ["mono", "stereo"][channels - 1]


def test_sixteen_channels_are_third_order(media, tmp_path, field):
    sound = np.concatenate([field] * 4)
    info = probe(media.write(tmp_path / "a.wav", fps=None, sound=sound, sound_codec="pcm_s16le"))
    assert "12 channels dropped" in info.spatial_audio.layout.format.note


def test_the_spatial_stream_is_found_beside_a_stereo_one(media, field, tmp_path):
    four = media.write(tmp_path / "four.mp4", sound=field)
    two = media.write(tmp_path / "two.mp4", sound=field[:2])
    both = tmp_path / "both.mp4"
    arguments = ["-i", two, "-i", four, "-map", "0", "-map", "1:a", "-c", "copy", both]
    subprocess.run([ffmpeg_binary(), "-loglevel", "error", *arguments], check=True)
    info = probe(both)
    assert [stream.channels for stream in info.audio] == [2, 4]
    assert info.spatial_audio.position == 1


def test_tags_are_read_from_the_file(media, field, tmp_path):
    path = media.write(tmp_path / "a.mp4", sound=field)
    tag_spherical(path, ambix_channels=4)
    info = probe(path)
    assert info.video[0].projection.kind == "equirectangular"
    assert info.audio[0].sa3d.order == 1
    assert info.audio[0].layout.evidence[0].startswith("SA3D box")


@pytest.mark.parametrize("where", ["-metadata", "-metadata:s:v"])
def test_v1_metadata_are_read_from_a_webm(media, tmp_path, where):
    plain, tagged = media.write(tmp_path / "a.mkv", seconds=0.5), tmp_path / "b.mkv"
    xml = (
        "<GSpherical:Spherical>true</GSpherical:Spherical>"
        "<GSpherical:StereoMode>top-bottom</GSpherical:StereoMode>"
    )
    arguments = ["-i", plain, "-c", "copy", where, f"SPHERICAL-VIDEO={xml}", tagged]
    subprocess.run([ffmpeg_binary(), "-loglevel", "error", *arguments], check=True)
    projection = probe(tagged).video[0].projection
    assert (projection.kind, projection.stereo_mode) == ("equirectangular", "top-bottom")


def empty(path: Path, whole: bytes) -> None:
    path.touch()


def text(path: Path, whole: bytes) -> None:
    path.write_text("1\n00:00:00,000 --> 00:00:01,000\nsubtitles\n" * 20)


def playlist(path: Path, whole: bytes) -> None:
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n")


def concat_script(path: Path, whole: bytes) -> None:
    path.write_text("ffconcat version 1.0\nfile whole.mp4\n")


def cut_before_index(path: Path, whole: bytes) -> None:
    path.write_bytes(whole[: len(whole) // 2])


def nothing_in_place_of_pictures(path: Path, whole: bytes) -> None:
    start, end = whole.index(b"mdat") + 4, whole.index(b"moov") - 4
    path.write_bytes(whole[:start] + bytes(end - start) + whole[end:])


def folder(path: Path, whole: bytes) -> None:
    path.mkdir()


def nothing(path: Path, whole: bytes) -> None:
    pass


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (empty, "empty-file"),
        (text, "not-media"),
        (playlist, "not-media"),
        (concat_script, "not-media"),
        (cut_before_index, "truncated"),
        (nothing_in_place_of_pictures, "not-decodable"),
        (folder, "missing-file"),
        (nothing, "missing-file"),
    ],
)
def test_what_is_no_media_is_refused_with_a_reason(media, tmp_path, spoil, reason):
    whole = media.write(tmp_path / "whole.mp4", seconds=1)
    path = tmp_path / "-bad ☃.mp4"
    spoil(path, whole.read_bytes())
    with pytest.raises(BadItem) as raised:
        probe(path)
    assert raised.value.reason == reason
    assert "bad ☃.mp4" in raised.value.detail


def test_pictures_that_would_fill_the_memory_are_refused(media, tmp_path, monkeypatch):
    path = media.write(tmp_path / "a.mp4", seconds=0.5)
    monkeypatch.setattr("yt360.media.probe.MAX_PIXELS", 96 * 48 - 1)
    with bad_item("too-large"):
        probe(path)


def test_a_video_of_years_is_refused(media, tmp_path):
    path = media.write(tmp_path / "a.mkv", seconds=1, video_start_s=3e5)
    with bad_item("implausible-times"):
        probe(path)


def test_too_many_open_files_are_no_fault_of_the_file(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"not looked at")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        with pytest.raises(OSError) as many, open_media(tmp_path / "a.mp4"):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert many.value.errno == errno.EMFILE


def test_a_file_that_was_cut_off_behind_its_index_is_seen(media, tmp_path):
    path = media.write(tmp_path / "a.mp4", seconds=20, options={"movflags": "faststart"})
    assert not probe(path).is_truncated
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    info = probe(path)
    assert info.is_truncated
    assert info.duration_declared_s == pytest.approx(20, abs=0.1)
    assert info.duration_measured_s < 15


@pytest.mark.parametrize("options", [None, {"movflags": "faststart"}], ids=["last", "first"])
def test_no_truncation_does_more_than_refuse(media, tmp_path, field, options):
    path = media.write(tmp_path / "a.mp4", seconds=1, sound=field[:, :24000], options=options)
    content = path.read_bytes()
    for end in range(0, len(content), len(content) // 60):
        path.write_bytes(content[:end])
        with contextlib.suppress(BadItem):
            assert probe(path).size_bytes == end
