"""Tracks that FFmpeg cannot decode are named; of several tracks the main one is used."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from helpers.conversion import convert_clip
from helpers.errors import bad_item

from yt360.clip_codec.format import ClipFormat
from yt360.commands.probe import command
from yt360.crawl.failures import Unsuitable
from yt360.crawl.verify import check_whole
from yt360.errors import BadItem
from yt360.media.containers.opening import open_media
from yt360.media.containers.tracks import main_video
from yt360.media.convert import ClipRequest
from yt360.media.ffmpeg import ffmpeg_binary
from yt360.media.probe import probe
from yt360.media.source import open_source
from yt360.media.video.frame_triplets import read_frame_triplets
from yt360.quality.inspect import inspect_file

NAMES = {
    "apac": "apac (Apple Positional Audio Codec)",
    "mha1": "mha1 (MPEG-H 3D Audio)",
    "mhm1": "mhm1 (MPEG-H 3D Audio)",
    "ac-4": "ac-4 (Dolby AC-4)",
    "enca": "enca (encrypted)",
    "q7x9": "q7x9",
}


def patched(source: Path, target: Path, *changes: tuple[bytes, bytes]) -> Path:
    content = source.read_bytes()
    for old, new in changes:
        assert old in content
        content = content.replace(old, new)
    target.write_bytes(content)
    return target


def with_sound_codec(source: Path, target: Path, codec: str) -> Path:
    """Rename the sample entry of the AAC track, and the box by which FFmpeg would know it."""
    return patched(source, target, (b"mp4a", codec.encode()), (b"esds", b"dxxx"))


def with_family_3(source: Path, target: Path) -> Path:
    content = bytearray(source.read_bytes())
    family = content.index(b"dOps") + 14 if b"dOps" in content else content.index(b"OpusHead") + 18
    assert content[family] == 1
    content[family] = 3
    target.write_bytes(content)
    return target


def joined(target: Path, *sources: Path) -> Path:
    inputs = [part for path in sources for part in ("-i", path)]
    maps = [part for number in range(len(sources)) for part in ("-map", str(number))]
    arguments = ["-loglevel", "error", *inputs, *maps, "-c", "copy", target]
    subprocess.run([ffmpeg_binary(), *arguments], check=True)
    return target


@pytest.fixture(scope="module")
def clip(media, field, tmp_path_factory):
    return media.write(tmp_path_factory.mktemp("tracks") / "clip.mp4", sound=field)


def test_audio_without_a_decoder_is_listed_and_named(clip, tmp_path):
    paths = [with_sound_codec(clip, tmp_path / f"{codec}.mp4", codec) for codec in NAMES]
    for path, (codec, name) in zip(paths, NAMES.items(), strict=True):
        (track,) = probe(path).undecodable
        assert (track.index, track.kind, track.codec) == (1, "audio", codec)
        assert track.describe() == name
    listed = CliRunner().invoke(command, [str(path) for path in paths])
    assert listed.exit_code == 0
    for name in NAMES.values():
        assert f"audio 1     undecodable: {name}" in listed.stdout
    found = json.loads(CliRunner().invoke(command, ["--json", *map(str, paths)]).stdout)
    assert [facts["undecodable"][0]["codec"] for facts in found] == list(NAMES)
    assert not any(facts["is_truncated"] for facts in found)


def test_sound_without_a_decoder_is_refused_by_its_name_everywhere(clip, tmp_path):
    path = with_sound_codec(clip, tmp_path / "a.mp4", "apac")
    with bad_item("undecodable"):
        open_source(path)
    verdict = inspect_file(path).verdicts["spatial-audio"]
    assert verdict.reason == "undecodable"
    assert "apac" in verdict.detail
    with pytest.raises(Unsuitable, match="undecodable: apac"):
        check_whole(path, None, None)


def test_stereo_beside_spatial_sound_without_a_decoder_does_not_hide_it(
    media, field, clip, tmp_path
):
    stereo = media.write(tmp_path / "stereo.mp4", fps=None, sound=field[:2])
    both = joined(tmp_path / "both.mp4", clip, stereo)
    content = both.read_bytes()
    entry = content.index(b"mp4a")  # the spatial track's, which comes first
    assert content.index(b"mp4a", entry + 4) > content.index(b"esds", entry)
    path = tmp_path / "a.mp4"
    path.write_bytes(content.replace(b"mp4a", b"apac", 1).replace(b"esds", b"dapa", 1))
    info = probe(path)
    assert [audio.layout.name for audio in info.audio] == ["stereo"]
    with bad_item("undecodable"):
        open_source(path)
    assert inspect_file(path).verdicts["spatial-audio"].reason == "undecodable"
    assert check_whole(path, None, None) > 1.9


def test_a_decodable_track_is_read_behind_one_that_is_not(media, field, clip, tmp_path):
    other = media.write(tmp_path / "other.mp4", fps=None, sound=field[[0, 3, 1, 2]])
    both = joined(tmp_path / "both.mp4", other, clip)
    path = tmp_path / "a.mp4"
    content = both.read_bytes()
    path.write_bytes(content.replace(b"mp4a", b"apac", 1).replace(b"esds", b"dapa", 1))
    (alone,), (audio,) = probe(clip).audio, probe(path).audio
    assert audio.layout == alone.layout
    assert open_source(path).audio_stream.index == audio.index


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ogg"])
def test_opus_that_needs_a_matrix_is_named(media, field, tmp_path, suffix):
    source = media.write(
        tmp_path / f"source.{suffix}",
        fps=None if suffix == "ogg" else 24,
        sound=field,
        sound_codec="libopus",
        audio_layout="quad",
    )
    path = with_family_3(source, tmp_path / f"a.{suffix}")
    with bad_item("undecodable"):
        open_source(path, (path,))
    if suffix != "ogg":  # FFmpeg does not even open it
        assert probe(path).audio == ()
        assert probe(path).undecodable[0].codec == "opus mapping family 3"


@pytest.mark.parametrize(
    ("suffix", "old", "new"),
    [("mp4", b"avc1", b"q7x9"), ("mkv", b"V_MPEG4/ISO/AVC", b"V_MPEG9/ISO/XYZ")],
)
def test_a_picture_without_a_decoder_is_named(media, field, tmp_path, suffix, old, new):
    source = media.write(tmp_path / f"source.{suffix}", sound=field, sound_codec="aac")
    path = patched(source, tmp_path / f"a.{suffix}", (old, new))
    named = f"undecodable: {new.decode()}"
    with pytest.raises(BadItem, match=named):
        open_source(path)
    with pytest.raises(BadItem, match=named):
        inspect_file(path)
    with pytest.raises(Unsuitable, match=named):
        check_whole(path, None, None)
    assert probe(path).undecodable[0].kind == "video"


@pytest.fixture(scope="module")
def with_preview(media, field, tmp_path_factory):
    """A small bright preview before the recording, as some cameras write."""
    folder = tmp_path_factory.mktemp("preview")
    small = media.write(
        folder / "small.mp4", seconds=1, pictures=lambda _: np.full((24, 48), 235, np.uint8)
    )
    large = media.write(
        folder / "large.mp4", pictures=lambda _: np.full((48, 96), 16, np.uint8), sound=field
    )
    return joined(folder / "both.mp4", small, large)


def test_the_largest_picture_is_used_everywhere(with_preview, tmp_path):
    info = probe(with_preview)
    assert [video.width for video in info.video] == [48, 96]
    assert info.main_video is info.video[1]
    source = open_source(with_preview)
    assert source.video_stream.width == 96
    assert "used: the largest of 2 video streams" in source.facts()["video"]["evidence"]
    request = ClipRequest(0.0, 1.0, tmp_path / "clip.mp4", tmp_path / "clip.flac")
    convert_clip(source, request, ClipFormat(width=96, height=48))
    dark = []
    for path in (request.mp4, with_preview):
        with open_media(path) as container:
            frames = container.decode(main_video(container))
            dark += [frame.to_ndarray(format="gray").mean() for frame in frames]
    dark += [probe_of_file.frames.mean() for probe_of_file in read_frame_triplets(with_preview)]
    assert max(dark) < 60
    assert "duration" in inspect_file(with_preview).verdicts
    shown = CliRunner().invoke(command, [str(with_preview)]).stdout
    assert "used: the largest of 2 video streams" in shown


def test_a_still_is_not_the_picture_however_large(media, field, clip, tmp_path):
    still = media.write(
        tmp_path / "still.mp4", seconds=0.04, pictures=lambda _: np.full((96, 192), 99, np.uint8)
    )
    info = probe(joined(tmp_path / "a.mp4", still, clip))
    assert info.main_video is info.video[1]


def test_which_of_several_sound_tracks_is_used_is_told(media, field, clip, tmp_path):
    stereo = media.write(tmp_path / "stereo.mp4", fps=None, sound=field[:2])
    path = joined(tmp_path / "a.mp4", stereo, clip)
    assert probe(path).main_audio.channels == 4
    evidence = open_source(clip, (path,)).facts()["sound"]["evidence"]
    assert evidence[-1] == "used: the first spatial one of 2 audio streams"
    shown = CliRunner().invoke(command, [str(path)]).stdout
    assert "used: the first spatial one of 2 audio streams" in shown
