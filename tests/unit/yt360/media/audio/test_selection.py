"""One rule for which audio belongs to a video, the same for every command."""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from helpers.errors import bad_item

from yt360.commands.probe import command as probe_command
from yt360.errors import BadItem
from yt360.media.audio.selection import select_audio
from yt360.media.pairing import (
    AUDIO_SUFFIXES,
    RAW_AUDIO_SUFFIXES,
    audio_files_beside,
    has_video,
)
from yt360.media.probe import probe
from yt360.media.source import open_source
from yt360.quality.inspect import inspect_file

PCM = {"sound_codec": "pcm_s16le"}


def write_video(media, path: Path, sound: np.ndarray | None = None) -> Path:
    return media.write(path, seconds=1.0, sound=sound, sound_codec="flac")


def write_audio(media, path: Path, sound: np.ndarray, **options: str) -> Path:
    return media.write(path, fps=None, sound=sound, **(options or PCM))


@pytest.fixture(scope="module")
def spatial(field) -> np.ndarray:
    return field[:, :48000]


@pytest.fixture(scope="module")
def unrelated() -> np.ndarray:
    """Four noises that sound one after the other: four channels, but no field."""
    noises = 0.1 * np.random.default_rng(3).standard_normal((4, 48000))
    return (noises * np.kron(np.eye(4), np.ones(12000))).astype(np.float32)


@pytest.mark.parametrize(
    ("own", "beside", "chosen"),
    [
        ("spatial", "stereo", "own"),
        ("stereo", "spatial", "beside"),
        (None, "spatial", "beside"),
        ("spatial", "spatial", "beside"),
        ("spatial", "unrelated", "own"),
        ("spatial", None, "own"),
    ],
)
def test_spatial_audio_wins_wherever_it_is_and_build_and_inspect_agree(
    media, spatial, unrelated, tmp_path, own, beside, chosen
):
    sounds = {"spatial": spatial, "stereo": spatial[:2], "unrelated": unrelated, None: None}
    video = write_video(media, tmp_path / "a.mkv", sounds[own])
    if beside:
        write_audio(media, tmp_path / "a.wav", sounds[beside])
    audio_files = audio_files_beside(video)
    assert audio_files == ((tmp_path / "a.wav",) if beside else ())
    source = open_source(video, audio_files)
    assert source.audio == (video if chosen == "own" else tmp_path / "a.wav")
    inspection = inspect_file(video)
    assert inspection.layout == "ambix"
    assert inspection.audio_choices == ((source.audio_note,) if beside else ())
    assert source.facts()["sound"].get("choice", "") == source.audio_note
    assert source.num_spatial_tracks == [own, beside].count("spatial") + (beside == "unrelated")


def test_of_companions_spatial_comes_first_then_lossless(media, spatial, tmp_path):
    video = write_video(media, tmp_path / "a.mkv", spatial)
    write_audio(media, tmp_path / "a.flac", spatial[:2], sound_codec="flac")
    lossy = write_audio(media, tmp_path / "a.m4a", spatial, sound_codec="aac")
    assert select_audio(video, audio_files_beside(video)).info.path == lossy
    lossless = write_audio(media, tmp_path / "a.mka", spatial, sound_codec="flac")
    selection = select_audio(video, audio_files_beside(video))
    assert selection.info.path == lossless
    for word in ("audio of a.mka (ambix, flac)", "the video's own", "a.flac (stereo", "a.m4a"):
        assert word in selection.note


def test_a_broken_companion_is_passed_over_only_where_something_else_is_spatial(
    media, spatial, tmp_path
):
    (tmp_path / "a.wav").write_bytes(b"no wave")
    good = write_video(media, tmp_path / "a.mkv", spatial)
    assert "not used: a.wav (not-media)" in select_audio(good, audio_files_beside(good)).note
    mute = write_video(media, tmp_path / "a.mkv", spatial[:2])
    with bad_item("not-media"):
        open_source(mute, audio_files_beside(mute))


def test_a_stated_layout_need_not_fit_the_audio_that_is_not_meant(media, spatial, tmp_path):
    video = write_video(media, tmp_path / "a.mkv", spatial)
    six = np.concatenate([spatial, spatial[:2]])
    write_audio(media, tmp_path / "a.wav", six)
    selection = select_audio(video, audio_files_beside(video), audio_layout="youtube-5.1")
    assert selection.info.path.name == "a.wav" and selection.is_spatial


def test_no_spatial_audio_at_all_names_all_that_there_is(media, spatial, tmp_path):
    video = write_video(media, tmp_path / "a.mkv", spatial[:1])
    write_audio(media, tmp_path / "a.wav", spatial[:2])
    with pytest.raises(BadItem, match=r"not-spatial.*a\.wav \(stereo.*the video's own \(mono"):
        open_source(video, audio_files_beside(video))


def test_audio_of_a_companion_that_is_not_spatial_says_why(media, spatial, tmp_path):
    video = write_video(media, tmp_path / "a.mkv")
    write_audio(media, tmp_path / "a.wav", spatial[:3], audio_layout="3.0", **PCM)
    with pytest.raises(BadItem, match=r"3 channels: no ambisonic order has as many.*a\.wav"):
        open_source(video, audio_files_beside(video))


def test_names_pair_however_their_accents_are_stored(media, spatial, tmp_path):
    video = write_video(media, tmp_path / unicodedata.normalize("NFC", "café.mkv"))
    sound = write_audio(media, tmp_path / unicodedata.normalize("NFD", "café.WAV"), spatial)
    if video.with_suffix(".WAV").exists():
        pytest.skip("this file system knows one form of names only")
    assert audio_files_beside(video) == (sound,)


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        (".w64", "pcm_s16le"), (".aiff", "pcm_s16be"), (".caf", "pcm_s16le"), (".au", "pcm_s16be"),
        (".m4b", "aac"), (".oga", "flac"), (".mka", "flac"),
    ],
)  # fmt: skip
def test_audio_of_every_container_comes_in_time(media, tmp_path, suffix, codec):
    path = tmp_path / f"a{suffix}"
    muxer = {".m4b": "ipod"}.get(suffix)
    written = media.write(
        path if muxer is None else tmp_path / "a.m4a",
        fps=None,
        sound=media.clicks([0.5], 1.0)[:1],
        sound_codec=codec,
    ).rename(path)
    from yt360.media.audio.reader import AudioReader

    assert suffix in AUDIO_SUFFIXES
    with AudioReader(written, probe(written).audio[0].position) as reader:
        samples, _ = reader.read(0, 48000)
    assert media.click_time_s(samples[0], 48000, 0.5) == pytest.approx(0.5, abs=1e-3)


def test_containers_without_a_delay_are_no_companions(tmp_path):
    for suffix in sorted(RAW_AUDIO_SUFFIXES):
        (tmp_path / f"a{suffix}").touch()
    (tmp_path / "a.mp4").touch()
    assert audio_files_beside(tmp_path / "a.mp4") == ()


def test_a_file_with_the_suffix_of_a_video_may_hold_audio_alone(media, spatial, tmp_path):
    video = write_video(media, tmp_path / "a.mkv")
    audio = write_audio(media, tmp_path / "a.mp4", spatial, sound_codec="aac")
    assert not has_video(audio) and has_video(video)
    assert audio_files_beside(video) == (audio,)
    assert audio_files_beside(audio) == ()


def test_probe_tells_the_choice_to_people_and_programs(media, spatial, tmp_path):
    video = write_video(media, tmp_path / "a.mkv", spatial[:2])
    write_audio(media, tmp_path / "a.wav", spatial)
    text = CliRunner().invoke(probe_command, [str(video)]).stdout
    note = "audio of a.wav (ambix, pcm_s16le); not used: the video's own (stereo, flac)"
    assert f"selected    {note}" in text
    values = json.loads(CliRunner().invoke(probe_command, ["--json", str(video)]).stdout)
    assert values[0]["audio_choice"] == note


NAMES = [
    b"-x %03d", b"a:b caf\xe9 \xff", b"it's \"so\" [a],b;c=\\d", b"two\nlines \xe2\x98\x83",
]  # fmt: skip


def test_names_of_any_bytes_are_probed_inspected_and_converted(media, spatial, tmp_path):
    from helpers.conversion import convert_clip

    from yt360.clip_codec.format import ClipFormat
    from yt360.media.convert import ClipRequest

    plain = write_video(media, tmp_path / "plain.mkv", spatial)
    audio = write_audio(media, tmp_path / "plain.wav", spatial)
    videos = []
    for name in NAMES:
        video = tmp_path / os.fsdecode(name + b".mkv")
        try:
            video.hardlink_to(plain)
        except OSError:
            pytest.skip("this file system takes no such names")
        video.with_suffix(".wav").hardlink_to(audio)
        videos.append(video)
    assert CliRunner().invoke(probe_command, ["--json", "--", *map(str, videos)]).exit_code == 0
    for name, video in zip(NAMES, videos, strict=True):
        assert inspect_file(video).layout == "ambix"
        target = tmp_path / os.fsdecode(name + b".out.mp4")
        clip = ClipRequest(0.0, 1.0, target, target.with_suffix(".flac"))
        facts = convert_clip(
            open_source(video, audio_files_beside(video)), clip, ClipFormat(width=64, height=32)
        )
        json.dumps(facts, ensure_ascii=False).encode()
        assert target.stat().st_size > 0


def test_a_truncated_file_is_called_so_by_every_command(media, tmp_path):
    audio = media.plane_waves([(1, 0, 0)], 6.0)[:1]
    cuts = []
    for suffix in (".webm", ".mkv", ".mp4"):
        codecs = (
            {"video_codec": "libvpx-vp9", "sound_codec": "libopus", "audio_layout": "mono"}
            if suffix == ".webm"
            else {"options": {"movflags": "faststart"}}
        )
        whole = media.write(tmp_path / f"whole{suffix}", seconds=6.0, fps=6, sound=audio, **codecs)
        content = whole.read_bytes()
        for kept in (0.02, 0.6):
            cut = tmp_path / f"cut{kept}{suffix}"
            cut.write_bytes(content[: max(int(kept * len(content)), 3000)])
            for look in (open_source, inspect_file):
                with bad_item("truncated"):
                    look(cut)
            cuts.append(cut)
    told = CliRunner().invoke(probe_command, ["--json", *map(str, cuts)])
    for facts in json.loads(told.stdout):
        assert facts.get("error") == "truncated" or facts["is_truncated"], facts
