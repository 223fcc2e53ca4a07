"""Video and audio of converted clips are in step with those of their sources."""

from __future__ import annotations

from fractions import Fraction

import pytest
from helpers.conversion import ambix, convert_clip, numbers, request

from yt360.clip_codec.format import ClipFormat
from yt360.media.convert import convert_clips
from yt360.media.source import open_source

SMALL = ClipFormat(width=96, height=48)
RATES = ["24000/1001", "24", "25", "30000/1001", "30", "50", "60"]
# Containers keep times to the millisecond only.
ROUNDING_S = 1.5e-3


def picture_offset_s(number: int, time_s: float, rate: Fraction, start_s: float) -> float:
    """Return how far an instant lies outside the time in which the source shows a frame."""
    begins, ends = start_s + float(number / rate), start_s + float((number + 1) / rate)
    return max(begins - time_s, 0.0) - max(time_s - ends, 0.0)


def assert_in_step(media, tmp_path, fps: str, offset: str, seconds: int, name: str) -> None:
    """Numbered flashes and clicks, near the start and the end, come out where they were."""
    rate = Fraction(fps)
    video_start_s = float(round(Fraction("0.4") * rate) / rate) if offset == "early" else 0.0
    sound_start_s = 0.4 if offset == "late" else 0.0
    click_times = [2.25, 5.5, seconds - 3.25, seconds - 1.5]
    sound = media.clicks([time - sound_start_s for time in click_times], seconds)
    path = media.write(
        tmp_path / name, fps=fps, seconds=seconds, video_start_s=video_start_s,
        sound=sound, sound_start_s=sound_start_s,
        sound_codec="flac" if name.endswith("mkv") else "aac",
    )  # fmt: skip
    source = open_source(path)
    first, last = request(tmp_path, 1, 6, "first"), request(tmp_path, seconds - 5, 4.5, "last")
    list(convert_clips(source, [first, last], SMALL))
    for clip in (first, last):
        shown = numbers(media, clip.mp4)
        assert len(shown) == clip.duration_s * 16
        for frame, number in enumerate(shown):
            offset_s = picture_offset_s(number, clip.start_s + frame / 16, rate, video_start_s)
            assert abs(offset_s) < ROUNDING_S, (clip.start_s, frame, number)
        wave = ambix(clip.flac)[0]
        for time_s in click_times:
            if clip.start_s < time_s < clip.start_s + clip.duration_s:
                inside_s = time_s - clip.start_s
                heard_s = media.click_time_s(wave, 24000, inside_s)
                assert heard_s == pytest.approx(inside_s, abs=ROUNDING_S)


@pytest.mark.parametrize("fps", RATES)
def test_video_and_audio_stay_in_sync(media, tmp_path, fps):
    index = RATES.index(fps)
    offset, name = ["none", "late", "early"][index % 3], ["video.mp4", "video.mkv"][index % 2]
    seconds = 60 if fps == "30000/1001" else 12  # it drifts the most
    assert_in_step(media, tmp_path, fps, offset, seconds, name)


@pytest.mark.slow
@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("offset", ["none", "late", "early"])
@pytest.mark.parametrize("name", ["video.mp4", "video.mkv"])
def test_video_and_audio_stay_in_sync_in_every_case(media, tmp_path, fps, offset, name):
    assert_in_step(media, tmp_path, fps, offset, 60, name)


@pytest.mark.parametrize(
    ("name", "fps", "options"),
    [
        ("a.mov", 25, {"sound_codec": "pcm_s16le"}),
        ("a.webm", 25, {"video_codec": "libvpx-vp9", "sound_codec": "libopus"}),
        ("a.ts", 25, {}),
        ("a.avi", "24000/1001", {"video_codec": "mpeg4", "sound_codec": "pcm_s16le"}),
        ("a.mp4", 25, {"options": {"movflags": "frag_keyframe+delay_moov"}}),
        ("a.mp4", 25, {"video_codec": "libx265"}),
    ],
    ids=["mov", "webm", "ts", "avi", "fragmented", "hevc"],
)
def test_every_container_keeps_flash_and_click_together(media, tmp_path, name, fps, options):
    """What a muxer did to the clock of a file, it did to picture and sound alike."""
    rate = Fraction(fps)
    if options.get("sound_codec") == "libopus":
        options = options | {
            "audio_layout": "ambisonic 1",
            "sound_options": {"mapping_family": "2", "b": "400k"},
        }
    path = media.write(tmp_path / name, fps=fps, seconds=9, sound=media.clicks([6], 9), **options)
    clip = request(tmp_path, 4, 4)
    convert_clip(open_source(path), clip, SMALL)
    shift_s = media.click_time_s(ambix(clip.flac)[0], 24000, 2.0) - 2.0
    assert abs(shift_s) < 0.025
    for frame, number in enumerate(numbers(media, clip.mp4)):
        offset_s = picture_offset_s(number, clip.start_s + frame / 16 - shift_s, rate, 0.0)
        assert abs(offset_s) < 2 * ROUNDING_S, (frame, number)


def test_companion_sound_is_in_step_too(media, tmp_path):
    video = media.write(tmp_path / "a.mp4", fps=25, seconds=8)
    sound = media.clicks([6.5], 8.0)
    companion = media.write(tmp_path / "a.m4a", fps=None, sound=sound)
    clip = request(tmp_path, 4, 4)
    convert_clip(open_source(video, [companion]), clip, SMALL)
    assert media.click_time_s(ambix(clip.flac)[0], 24000, 2.5) == pytest.approx(2.5, abs=5e-4)
    assert numbers(media, clip.mp4)[40] == int(6.5 * 25)
