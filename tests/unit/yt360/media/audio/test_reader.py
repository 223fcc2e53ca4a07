import gc
import weakref

import numpy as np
import pytest
import soundfile
from helpers.errors import bad_item

from yt360.ambisonics.formats import AMBIX
from yt360.media.audio.reader import (
    AmbixReader,
    AudioReader,
    are_all_valid,
    is_valid_audio,
)
from yt360.media.probe import probe

RATE = 48000


def read_all(path, count: int) -> np.ndarray:
    with AudioReader(path) as reader:
        return reader.read(0, count)[0]


@pytest.mark.parametrize(
    ("name", "codec", "tolerance"),
    [
        ("a.wav", "pcm_s16le", 2e-5),
        ("a.wav", "pcm_s24le", 2e-5),
        ("a.wav", "pcm_u8", 5e-3),
        ("a.flac", "flac", 2e-5),
        ("a.mka", "flac", 2e-5),
        ("a.mov", "pcm_s16le", 2e-5),
        ("a.mp4", "aac", 0.02),
        ("a.ogg", "libopus", 0.05),
        ("a.webm", "libopus", 0.05),
        ("a.webm", "libopus as quad", 0.05),
    ],
)
def test_four_channels_come_out_in_order_level_and_time(media, tmp_path, name, codec, tolerance):
    times = [0.25, 1.1, 1.9]
    sound = media.clicks(times, 2.5) * np.array([[1.0], [0.0], [0.0], [-0.5]], np.float32)
    sound[1] = 0.2 * np.sin(np.arange(sound.shape[1]) * 2 * np.pi * 440 / RATE)
    path = tmp_path / name
    if codec == "pcm_u8":
        soundfile.write(path, sound.T, RATE, subtype="PCM_U8")
    else:
        opus = {"audio_layout": "ambisonic 1", "sound_options": {"mapping_family": "2"}}
        if codec.endswith("as quad"):
            opus = {"audio_layout": "quad", "sound_options": {"b": "400k"}}
        options = opus if codec.startswith("libopus") else {}
        media.write(path, fps=None, sound=sound, sound_codec=codec.split()[0], **options)
    got = read_all(path, 2 * RATE)
    middle = slice(RATE // 10, 2 * RATE)
    assert np.sqrt(np.mean((got - sound[:, : 2 * RATE])[:, middle] ** 2)) < tolerance
    for time_s in times:
        assert media.click_time_s(got[0], RATE, time_s) == pytest.approx(time_s, abs=5e-4)
        assert media.click_time_s(got[3], RATE, time_s) == pytest.approx(time_s, abs=5e-4)


@pytest.mark.parametrize(("name", "codec"), [("a.flac", "flac"), ("a.mp4", "aac")])
def test_reading_a_part_equals_a_part_of_the_whole(media, tmp_path, name, codec):
    sound = media.plane_waves(list(media.SIX_DIRECTIONS), 12.0)
    path = media.write(tmp_path / name, fps=None, sound=sound, sound_codec=codec)
    whole = read_all(path, 12 * RATE)
    for start, count in ((0, 100), (70_001, 5000), (9 * RATE, RATE), (11 * RATE, 2 * RATE)):
        with AudioReader(path) as reader:
            part, recorded = reader.read(start, count)
        inside = whole[:, start : start + count]
        np.testing.assert_array_equal(part[:, : inside.shape[1]], inside)
        assert abs(recorded - inside.shape[1]) <= 1024


def test_one_reader_may_jump_about(media, tmp_path):
    sound = media.plane_waves(list(media.SIX_DIRECTIONS), 14.0)
    path = media.write(tmp_path / "a.flac", fps=None, sound=sound, sound_codec="flac")
    whole = read_all(path, 14 * RATE)
    with AudioReader(path) as reader:
        for start in (0, 500_000, 10_000, 10_100, 9_000, 600_000, 0):
            samples, recorded = reader.read(start, 999)
            np.testing.assert_array_equal(samples, whole[:, start : start + 999])
            assert reader.count_recorded(start, 999) == recorded


def test_a_closed_reader_keeps_no_memory(media, tmp_path, field):
    path = media.write(tmp_path / "a.wav", fps=None, sound=field, sound_codec="pcm_s16le")
    gc.disable()  # which would find it, some day
    try:
        with AudioReader(path) as reader:
            samples = weakref.ref(reader.read(0, RATE)[0])
            state = weakref.ref(reader)
        del reader
        assert samples() is None and state() is None
    finally:
        gc.enable()


def test_before_and_after_the_sound_there_is_silence(media, tmp_path, field):
    path = media.write(tmp_path / "a.wav", fps=None, sound=field, sound_codec="pcm_s16le")
    with AudioReader(path) as reader:
        early, recorded = reader.read(-RATE, RATE + 10)
        assert recorded == 10
        assert not early[:, :RATE].any()
        late, recorded = reader.read(3 * RATE, RATE)
        assert recorded == 0
        assert not late.any()


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_sound_that_starts_late_is_read_at_its_time(media, tmp_path, name):
    sound = media.clicks([0.5], 2.0)
    path = media.write(tmp_path / name, seconds=3, sound=sound, sound_start_s=0.7)
    got = read_all(path, 3 * RATE)
    assert not got[:, : int(0.65 * RATE)].any()
    assert media.click_time_s(got[0], RATE, 1.2) == pytest.approx(1.2, abs=2e-3)


def test_a_hole_in_the_sound_is_silence_and_does_not_shift_the_rest(media, tmp_path):
    import av

    whole = media.write(
        tmp_path / "whole.mka", fps=None, sound=media.clicks([0.5, 2.5], 3.0), sound_codec="flac"
    )
    holed = tmp_path / "holed.mka"
    with av.open(str(whole)) as source, av.open(str(holed), "w") as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.size and not 1.0 < float(packet.pts * packet.time_base) < 2.0:
                packet.stream = stream
                target.mux(packet)
    with AudioReader(holed) as reader:
        got, recorded = reader.read(0, 3 * RATE)
    assert 1.9 * RATE < recorded < 2.1 * RATE
    for time_s in (0.5, 2.5):
        assert media.click_time_s(got[0], RATE, time_s) == pytest.approx(time_s, abs=2e-3)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000])
def test_neighbouring_stretches_of_ambix_fit_to_the_sample(media, tmp_path, rate):
    sound = media.plane_waves(list(media.SIX_DIRECTIONS), 3.0, rate)
    path = media.write(
        tmp_path / "a.wav", fps=None, sound=sound, sample_rate_hz=rate, sound_codec="pcm_s16le"
    )
    with AudioReader(path) as reader:
        ambix = AmbixReader(reader, AMBIX, 24000)
        whole, part = ambix.read(0, 60_000)
        assert part == 1.0
        pieces = [ambix.read(start, 7000)[0] for start in (0, 7000, 14_000, 50_000)]
    for start, piece in zip((0, 7000, 14_000, 50_000), pieces, strict=True):
        np.testing.assert_allclose(piece, whole[:, start : start + 7000], atol=1e-6)


@pytest.mark.parametrize("rate", [44100, 48000])
def test_the_resampler_passes_what_fits_and_stops_the_rest(media, tmp_path, rate):
    def level_db(hz: float) -> float:
        tone = 0.5 * np.sin(np.arange(2 * rate) * 2 * np.pi * hz / rate)
        path = tmp_path / f"{hz}.wav"
        soundfile.write(path, np.stack([tone] * 4, axis=1), rate, subtype="FLOAT")
        with AudioReader(path) as reader:
            got, _ = AmbixReader(reader, AMBIX, 24000).read(12_000, 24_000)
        return float(20 * np.log10(np.sqrt(2 * np.mean(got[0] ** 2)) / 0.5 + 1e-12))

    for hz in (50, 1000, 8000, 10_000, 10_900):
        assert abs(level_db(hz)) < 0.02, hz
    for hz in (12_200, 13_000, 20_000):
        assert level_db(hz) < -120, hz


def test_resampling_does_not_shift_time(media, tmp_path):
    for rate in (16000, 44100, 48000):
        sound = media.clicks([1.0], 2.0, rate)
        path = media.write(
            tmp_path / "a.wav", fps=None, sound=sound, sample_rate_hz=rate, sound_codec="pcm_s16le"
        )
        with AudioReader(path) as reader:
            got, _ = AmbixReader(reader, AMBIX, 24000).read(0, 48_000)
        assert media.click_time_s(got[0], 24000, 1.0) == pytest.approx(1.0, abs=5e-5)


def test_a_file_without_sound_is_refused(media, tmp_path):
    path = media.write(tmp_path / "a.mp4", seconds=0.5)
    with bad_item("no-audio"):
        AudioReader(path)


def test_damaged_packets_become_silence_and_are_counted(media, tmp_path):
    import av

    sound = media.plane_waves(list(media.SIX_DIRECTIONS), 3.0)
    path = media.write(tmp_path / "a.mp4", fps=None, sound=sound)
    damaged = tmp_path / "damaged.mp4"
    with av.open(str(path)) as source, av.open(str(damaged), "w") as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for number, packet in enumerate(source.demux(audio=0)):
            if packet.size:
                if number in range(50, 60):
                    broken = av.Packet(b"\xff" * packet.size)
                    broken.pts, broken.dts = packet.pts, packet.dts
                    broken.time_base = packet.time_base
                    packet = broken
                packet.stream = stream
                target.mux(packet)
    with AudioReader(damaged) as reader:
        got, recorded = reader.read(0, 3 * RATE)
        assert reader.damaged_packets == 10
        assert 2.7 * RATE < recorded < 3 * RATE
    whole = read_all(path, 3 * RATE)
    np.testing.assert_array_equal(got[:, 2 * RATE :], whole[:, 2 * RATE :])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [0.5, -1e6, 1.1e6, -1.1e6, np.nan, np.inf, -np.inf])
def test_all_samples_are_valid_if_each_is(value):
    samples = np.zeros((4, 100), np.float32)
    samples[2, 50] = value
    assert are_all_valid(samples) == is_valid_audio(samples).all()
    assert are_all_valid(samples[:, :0])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("channel", [0, 3])
def test_samples_that_are_no_sound_spoil_the_stretches_that_hold_them_alone(
    media, tmp_path, value, channel
):
    sound = media.plane_waves(list(media.SIX_DIRECTIONS), 3.0)
    path, broken = tmp_path / "a.wav", sound.copy()
    broken[channel, RATE + 5] = value
    for content in (sound, broken):
        soundfile.write(path, content.T, RATE, subtype="FLOAT")
        assert probe(path).audio[0].layout.name == "ambix"
    for rate in (24000, 44100, RATE):
        for start, count in ((0, rate), (rate + 50, rate), (2 * rate, rate)):
            with AudioReader(path) as reader:
                ambix, recorded = AmbixReader(reader, AMBIX, rate).read(start, count)
            assert np.isfinite(ambix).all()
            assert recorded == 1.0
            if rate == RATE:
                np.testing.assert_array_equal(ambix, sound[:, start : start + count])
        with (
            AudioReader(path) as reader,
            bad_item("bad-samples"),
        ):
            AmbixReader(reader, AMBIX, rate).read(rate // 2, rate)
