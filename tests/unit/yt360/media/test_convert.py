import errno
import json
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from helpers.conversion import ambix, convert_clip, numbers, request
from helpers.errors import bad_item, user_error

from yt360.ambisonics.turning import turn_to_front
from yt360.clip_codec.format import ClipFormat
from yt360.errors import BadItem
from yt360.media.convert import ClipRequest, convert_clips, to_int16
from yt360.media.source import Source, open_source

SMALL = ClipFormat(width=96, height=48)


@pytest.fixture(scope="module")
def source(media, tmp_path_factory) -> Source:
    """Twelve numbered seconds at 25 fps with a field from six directions."""
    path = tmp_path_factory.mktemp("source") / "video.mkv"
    sound = media.plane_waves(list(media.SIX_DIRECTIONS), 12.0)
    media.write(path, fps=25, seconds=12, sound=sound, sound_codec="flac")
    return open_source(path)


def test_a_clip_is_stored_so_that_it_can_be_entered_anywhere(source, tmp_path):
    clip = request(tmp_path, 2, 4)
    convert_clip(source, clip, ClipFormat(width=128, height=64))
    with av.open(str(clip.mp4)) as container:
        assert not container.streams.audio
        (video,) = container.streams.video
        context = video.codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.width, context.height) == (128, 64)
        assert video.average_rate == 16
        assert video.start_time == 0
        packets = [packet for packet in container.demux(video) if packet.size]
    assert [n for n, packet in enumerate(packets) if packet.is_keyframe] == list(range(0, 64, 8))
    assert all(packet.pts == packet.dts for packet in packets)
    content = clip.mp4.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    # Each group decodes alone: from any key frame on, the pictures are those of the whole.
    with av.open(str(clip.mp4)) as container:
        whole = [frame.to_ndarray() for frame in container.decode(video=0)]
    with av.open(str(clip.mp4)) as container:
        container.seek(packets[24].pts, stream=container.streams.video[0])
        tail = [frame.to_ndarray() for frame in container.decode(video=0)]
    np.testing.assert_array_equal(tail, whole[24:])
    assert ambix(clip.flac).shape == (4, 4 * 24000)


def test_many_clips_at_once_are_the_bytes_of_each_alone(source, tmp_path):
    spans = [(0, 2), (2, 2), (4.5, 1.5), (7, 2), (9.25, 2)]
    together = [request(tmp_path, *span, f"many-{i}") for i, span in enumerate(spans)]
    alone = [request(tmp_path, *span, f"alone-{i}") for i, span in enumerate(spans)]
    facts = list(convert_clips(source, together, SMALL, threads=2))
    for one, clip, fact in zip(together, alone, facts, strict=True):
        assert convert_clip(source, clip, SMALL) == fact
        assert one.mp4.read_bytes() == clip.mp4.read_bytes()
        assert one.flac.read_bytes() == clip.flac.read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_a_clip_does_not_depend_on_what_memory_held_before(source, tmp_path, monkeypatch):
    clips = [request(tmp_path, 0, 2, f"fill-{fill}") for fill in (0, 1)]
    for fill, clip in enumerate(clips):
        monkeypatch.setenv("MALLOC_PERTURB_", str(fill))  # glibc fills new memory with it
        convert_clip(source, clip, ClipFormat(width=320, height=160))
    assert clips[0].mp4.read_bytes() == clips[1].mp4.read_bytes()


def test_neighbouring_clips_join_without_a_seam(source, tmp_path):
    first, second = request(tmp_path, 3, 2, "first"), request(tmp_path, 5, 2, "second")
    both = request(tmp_path, 3, 4, "both")
    list(convert_clips(source, [first, second], SMALL))
    convert_clip(source, both, SMALL)
    joined = np.concatenate([ambix(first.flac), ambix(second.flac)], axis=1)
    np.testing.assert_allclose(joined, ambix(both.flac), atol=1.01 / 32768)


@pytest.mark.parametrize("front_deg", [90.0, -30.0, 181.0, -180.0])
def test_picture_and_sound_turn_to_the_front_together(source, tmp_path, front_deg):
    plain = request(tmp_path, 1, 2, "plain")
    turned = replace(request(tmp_path, 3, 2, "turned"), front_deg=front_deg)
    same = replace(request(tmp_path, 1, 2, "same"), front_deg=front_deg)
    convert_clip(source, plain, SMALL)
    facts, _ = convert_clips(source, [same, turned], SMALL)
    with av.open(f"file:{plain.mp4}") as one, av.open(f"file:{same.mp4}") as other:
        before, after = (
            np.stack([frame.to_ndarray(format="rgb24") for frame in each.decode(video=0)])
            for each in (one, other)
        )
    shift = round(front_deg / 360 * SMALL.width)
    difference = np.abs(np.roll(before, shift, axis=2).astype(int) - after)
    assert difference.mean() < 4 < np.abs(before.astype(int) - after).mean()
    applied_deg = facts["clip"]["front_deg"]
    assert (applied_deg - front_deg + 180) % 360 - 180 == pytest.approx(0, abs=360 / SMALL.width)
    expected = turn_to_front(ambix(plain.flac), shift / SMALL.width * 360)
    np.testing.assert_allclose(ambix(same.flac), expected, atol=2 / 32768)
    whole = turned.mp4.read_bytes(), turned.flac.read_bytes()
    convert_clip(source, turned, SMALL)
    assert whole == (turned.mp4.read_bytes(), turned.flac.read_bytes())


@pytest.mark.parametrize("start_s", [0.0, 1.0, 3.37, 7.9])
def test_the_sound_of_a_clip_is_the_field_of_the_source(media, source, tmp_path, start_s):
    clip = request(tmp_path, start_s, 2)
    facts = convert_clip(source, clip, SMALL)
    sound = media.plane_waves(list(media.SIX_DIRECTIONS), 12.0)
    stored = sound[:, round(start_s * 48000) :][:, : 2 * 48000]
    spectra = np.fft.rfft(stored), np.fft.rfft(ambix(clip.flac))
    band = slice(200, 20_000)  # 100 Hz to 10 kHz in steps of half a hertz
    expected, got = spectra[0][:, band] / 2, spectra[1][:, band]
    error = np.linalg.norm(got - expected) / np.linalg.norm(expected)
    assert error < 0.02
    level = facts["clip"]["sound"]["w_level_dbfs"]
    assert level == pytest.approx(10 * np.log10(np.mean(ambix(clip.flac)[0] ** 2)), abs=0.05)


def test_every_layout_ends_as_the_same_clip(media, tmp_path):
    w, y, z, x = media.plane_waves(list(media.SIX_DIRECTIONS), 2.0)
    silence = np.zeros_like(w)
    layouts = {
        "ambix": [w, y, z, x],
        "fuma": [w / np.sqrt(2), x, y, z],
        "youtube": [x, y, w, silence, z, silence],
        "third": [w, y, z, x, *12 * [silence]],
    }
    sounds = {}
    for name, channels in layouts.items():
        folder = tmp_path / name
        folder.mkdir()
        video = media.write(folder / "a.mkv", seconds=2)
        sound = media.write(
            folder / "a.wav", fps=None, sound=np.stack(channels), sound_codec="pcm_s16le"
        )
        clip = request(folder, 0.5, 1)
        convert_clip(open_source(video, [sound]), clip, SMALL)
        sounds[name] = ambix(clip.flac)
    for name in layouts:
        np.testing.assert_allclose(sounds[name], sounds["ambix"], atol=1e-4, err_msg=name)


def test_loud_sound_is_lowered_as_a_whole_and_said_so():
    generator = np.random.default_rng(0)
    loud = (generator.standard_normal((4, 1000)) * 0.8).astype(np.float32)
    stored, facts = to_int16(loud)
    peak = np.abs(loud).max()
    assert facts["peak_dbfs"] == pytest.approx(20 * np.log10(peak), abs=0.01)
    assert facts["gain_db"] == pytest.approx(-20 * np.log10(peak), abs=0.01)
    np.testing.assert_allclose(stored / 32767, loud / peak, atol=1e-4)


def test_quiet_sound_and_silence_stay_as_they_are():
    quiet = np.full((4, 100), 3 / 32768, np.float32)
    stored, facts = to_int16(quiet)
    assert (stored == 3).all()
    assert facts["gain_db"] == 0.0
    stored, facts = to_int16(np.zeros((4, 100), np.float32))
    assert not stored.any()
    assert facts == {"w_level_dbfs": -200.0, "peak_dbfs": -200.0, "gain_db": 0.0}


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_rotation_metadata_are_honoured(media, tmp_path, field, rotation):
    upright = media.numbered_frame(0b1011_0011)
    quarter_turns = -rotation // 90
    path = media.write(
        tmp_path / "a.mp4", pictures=lambda _: np.rot90(upright, quarter_turns),
        rotation_deg=rotation, seconds=2, sound=field,
    )  # fmt: skip
    source = open_source(path)
    # Encoders and players count turns in opposite directions; either way the sizes must fit.
    assert source.projection.width == 96
    clip = request(tmp_path, 0, 1)
    convert_clip(source, clip, SMALL)
    assert numbers(media, clip.mp4)[5] == 0b1011_0011


def test_a_variable_frame_rate_keeps_its_times(media, tmp_path):
    """Frames shown for 40 to 200 ms: at each instant the right one is shown."""
    fps, shown_from = 25, [0]
    generator = np.random.default_rng(3)
    while shown_from[-1] < 5 * fps:
        shown_from.append(shown_from[-1] + int(generator.integers(1, 6)))
    path = tmp_path / "a.mkv"
    sound = media.plane_waves([(1, 0, 0), (0, 1, 1)], 5.0)
    whole = media.write(tmp_path / "whole.mkv", fps=fps, seconds=5, gop=1, sound=sound,
                        sound_codec="flac")  # fmt: skip
    with av.open(str(whole)) as read, av.open(str(path), "w") as written:
        streams = {s.index: written.add_stream_from_template(s) for s in read.streams}
        for packet in read.demux():
            frame = round(float((packet.pts or 0) * packet.time_base) * fps)
            if packet.size and (packet.stream.type == "audio" or frame in shown_from):
                packet.stream = streams[packet.stream_index]
                written.mux(packet)
    source = open_source(path)
    assert source.video_stream.variable_frame_rate
    clip = request(tmp_path, 1, 3)
    convert_clip(source, clip, SMALL)
    for frame, number in enumerate(numbers(media, clip.mp4)):
        source_frame = (1 + frame / 16) * fps + 1e-6
        assert number == max(begin for begin in shown_from if begin <= source_frame)


@pytest.mark.parametrize("size", [(49, 97), (50, 98), (48, 86)])
def test_odd_sizes_are_converted(media, tmp_path, field, size):
    base = np.kron(media.numbered_frame(5), np.ones((2, 2), np.uint8))
    path = media.write(
        tmp_path / "a.mkv", seconds=2, sound=field, sound_codec="flac",
        pictures=lambda _: np.ascontiguousarray(base[: size[0] // 2 * 2, : size[1] // 2 * 2]),
    )  # fmt: skip
    clip = request(tmp_path, 0, 1)
    convert_clip(open_source(path), clip, SMALL)
    with av.open(str(clip.mp4)) as container:
        assert container.streams.video[0].frames == 16


@pytest.mark.parametrize("name", ["-a.mp4", "a b.mp4", "ключ ☃.mp4", "a'b;c%d.mp4"])
def test_strange_names_are_only_names(media, tmp_path, field, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    path = media.write(Path(name), seconds=2, sound=field)
    clip = ClipRequest(0, 1, Path(f"-out {name}"), Path(f"-out {name}.flac"))
    convert_clip(open_source(path), clip, SMALL)
    assert len(numbers(media, clip.mp4)) == 16


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"fps": None}, "no-video"),
        ({"sound": None}, "no-audio"),
        ({"audio_layout": "stereo"}, "not-spatial"),
        ({"sound_start_s": 9.0}, "no-common-time"),
    ],
)
def test_what_is_no_source_is_refused_with_a_reason(media, tmp_path, field, options, reason):
    sound = field[:2] if reason == "not-spatial" else field
    path = media.write(tmp_path / "a.mp4", **({"sound": sound} | options))
    with pytest.raises(BadItem) as raised:
        open_source(path)
    assert raised.value.reason == reason


def test_a_truncated_video_is_refused(media, tmp_path, field):
    path = media.write(
        tmp_path / "a.mp4", seconds=6, fps=4, sound=field, options={"movflags": "faststart"}
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with bad_item("truncated"):
        open_source(path)


def test_sound_shorter_than_the_picture_bounds_the_source(media, tmp_path, field):
    source = open_source(media.write(tmp_path / "a.mp4", seconds=3, fps=8, sound=field))
    assert source.end_s == pytest.approx(2.0, abs=0.05)
    with bad_item("clip-outside"):
        convert_clip(source, request(tmp_path, 1, 2), SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_the_last_moment_is_filled_up(media, tmp_path, field):
    """Ten declared seconds are seldom ten to the frame."""
    source = open_source(media.write(tmp_path / "a.mp4", fps=25, seconds=1.88, sound=field))
    clip = request(tmp_path, 0, 2)
    convert_clip(source, clip, SMALL)
    assert numbers(media, clip.mp4)[-1] == 46
    assert ambix(clip.flac).shape == (4, 48000)


def test_one_frame_makes_no_clip(media, tmp_path, field):
    source = open_source(media.write(tmp_path / "a.mp4", seconds=0.04, sound=field))
    with bad_item("clip-outside"):
        convert_clip(source, request(tmp_path, 0, 1), SMALL)


def test_bad_requests_are_refused(source, tmp_path):
    with user_error("invalid", "duration_s"):
        convert_clip(source, request(tmp_path, 0, 0.03), SMALL)
    with user_error("invalid", "start_s"):
        list(convert_clips(source, [request(tmp_path, 0, 2), request(tmp_path, 1, 2)], SMALL))
    with user_error("conflict", ""):
        ClipFormat(height=360)
    with user_error("out-of-range", "crf"):
        ClipFormat(crf=60)


def test_nothing_stays_where_the_folder_cannot_be_written(source, tmp_path):
    with pytest.raises((BadItem, OSError)):
        convert_clip(source, request(tmp_path / "absent", 0, 1), SMALL)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_names_the_folder(source, tmp_path):
    def full(*args: object) -> bytes:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="no space left on this disk; free some") as raised:
        convert_clip(source, request(tmp_path, 0, 1), SMALL, encode_audio=full)
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_stopping_between_clips_leaves_only_whole_ones(source, tmp_path):
    clips = [request(tmp_path, start, 1, f"clip-{start}") for start in (0, 1, 2)]
    converted = convert_clips(source, clips, SMALL)
    next(converted)
    converted.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip-0.flac", "clip-0.mp4"]


def test_facts_are_plain_json_and_tell_how_it_was_converted(source, tmp_path):
    facts = convert_clip(source, request(tmp_path, 0, 1), SMALL)
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert facts["video"]["projection"] == "equirectangular"
    assert facts["video"]["fps"] == 25.0
    assert facts["sound"]["layout"] == "ambix"
    assert facts["clip"]["gop"] == 8
    assert str(tmp_path) not in json.dumps(facts)
