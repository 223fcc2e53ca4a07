"""Real clips: what is known of each is found, and survives conversion."""

import csv
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import torch
from helpers.conversion import convert_clip
from helpers.errors import bad_item

from yt360.ambisonics.transforms import beam, energy_map
from yt360.clip_codec.format import ClipFormat
from yt360.errors import BadItem
from yt360.media.audio.reader import AmbixReader, AudioReader
from yt360.media.containers.opening import open_media
from yt360.media.convert import ClipRequest
from yt360.media.probe import probe
from yt360.media.source import open_source, w_levels_dbfs
from yt360.media.video.projection import resolve_projection
from yt360.sphere import azimuth_elevation, direction, equirect_grid, sample_equirect, view_grid

pytestmark = [pytest.mark.real, pytest.mark.slow]


def converted(video: Path, sound: Path | None, folder: Path) -> tuple[Path, torch.Tensor, dict]:
    source = open_source(video, [sound] if sound else ())
    request = ClipRequest(0.0, 10.0, folder / "clip.mp4", folder / "clip.flac")
    facts = convert_clip(source, request, ClipFormat())
    samples, rate = soundfile.read(request.flac, dtype="float32")
    assert rate == 24000
    return request.mp4, torch.from_numpy(samples.T.copy()), facts


@pytest.fixture(scope="module")
def calibration(real_data, tmp_path_factory):
    video = real_data / "real-clips" / "calibration.mp4"
    return converted(video, None, tmp_path_factory.mktemp("calibration"))


@pytest.fixture(scope="module")
def concert(real_data, tmp_path_factory):
    clips = real_data / "real-clips"
    video, sound = clips / "kqAZkf5Odyw-80.mp4", clips / "kqAZkf5Odyw-80.m4a"
    return converted(video, sound, tmp_path_factory.mktemp("concert"))


def grey_frames(path: Path) -> list[np.ndarray]:
    """Return the frames of a file as luma (320, 640)."""
    form = {"width": 640, "height": 320, "format": "gray", "interpolation": "AREA"}
    with open_media(path) as container:
        return [frame.to_ndarray(**form).astype(float) for frame in container.decode(video=0)]


def heard(ambix: torch.Tensor, azimuth_deg: float, elevation_deg: float = 0.0) -> np.ndarray:
    azimuth, elevation = np.radians([azimuth_deg, elevation_deg])
    return beam(ambix, direction(float(azimuth), float(elevation)), pattern=0.5).numpy()


def power_spectrum(wave: np.ndarray, size: int = 16384) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies in Hz and the mean power at each."""
    frames = np.lib.stride_tricks.sliding_window_view(wave, size)[:: size // 4]
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(size), axis=1))).mean(axis=0)
    return np.fft.rfftfreq(size, 1 / 24000), power


def band_db(wave: np.ndarray, low_hz: float, high_hz: float) -> float:
    frequencies, power = power_spectrum(wave)
    return float(10 * np.log10(power[(frequencies >= low_hz) & (frequencies < high_hz)].sum()))


def part_on_piano_keys(wave: np.ndarray) -> float:
    """Return the part of the energy from 250 to 1200 Hz within 25 cents of a tempered note."""
    frequencies, power = power_spectrum(wave)
    band = (frequencies > 250) & (frequencies < 1200)
    cents = 1200 * np.log2(frequencies[band] / 440)
    on_key = np.abs(cents - 100 * np.round(cents / 100)) < 25
    return float(power[band][on_key].sum() / power[band].sum())


def test_youtubes_layout_is_found_in_both_clips(real_data):
    clips = real_data / "real-clips"
    for name in ("calibration.mp4", "kqAZkf5Odyw-80.m4a"):
        layout = probe(clips / name).spatial_audio.layout
        assert layout.name == "youtube-5.1"
        assert layout.format.channels == (2, 1, 4, 0)


def test_the_stereo_track_of_a_released_clip_is_not_its_spatial_sound(real_data):
    video = real_data / "real-clips" / "kqAZkf5Odyw-80.mp4"
    assert probe(video).spatial_audio is None
    with pytest.raises(BadItem, match=r"not-spatial: .*stereo"):
        open_source(video)


def test_fuma_is_told_from_ambix(real_data):
    speech = probe(real_data / "foa" / "fuma-speech.mp4").spatial_audio.layout
    assert speech.name == "fuma"
    assert [warning.code for warning in speech.warnings] == ["two-readings"]


def test_a_recording_with_a_silent_last_channel_has_the_order_of_fuma(real_data):
    beach = probe(real_data / "foa" / "beach.mp4").spatial_audio.layout
    assert beach.name == "fuma"
    assert beach.warnings == ()


def test_usable_recordings_contradict_no_layout(real_data):
    """Gains of real microphones are off by up to 5 dB; a silent Z shows the order."""
    folder = real_data / "real-bench"
    doubted = {}
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        labels = {row["file"]: row["sound"] for row in csv.DictReader(file)}
    for name, sound in labels.items():
        if sound.startswith(("foa", "fuma-order")):
            layout = probe(folder / "clips" / name).spatial_audio.layout
            doubted[name] = (sound, layout.name, layout.warnings)
    assert len(doubted) == 16
    for sound, layout_name, warnings in doubted.values():
        assert layout_name == ("fuma" if sound == "fuma-order" else "ambix")
        assert warnings == ()


def test_fuma_speech_has_the_energy_of_a_field_after_conversion(real_data):
    path = real_data / "foa" / "fuma-speech.mp4"
    stream = probe(path).spatial_audio
    with AudioReader(path, stream.position) as reader:
        ambix, _ = AmbixReader(reader, stream.layout.format, 24000).read(0, 20 * 24000)
    w, *yzx = np.square(ambix).sum(axis=1)
    assert sum(yzx) / w == pytest.approx(1.0, abs=0.1)


def test_the_piano_is_left_and_the_voice_right(calibration):
    _, ambix, _ = calibration
    left, right = heard(ambix, 90), heard(ambix, -90)
    # A piano sounds on the keys; a speaking voice glides, and half of it falls there by chance.
    assert part_on_piano_keys(left) > 0.85
    assert part_on_piano_keys(right) < 0.65
    # The piano is louder around an octave above middle C, the voice in its sibilants.
    assert band_db(left, 600, 1200) > band_db(right, 600, 1200) + 6
    assert band_db(right, 4800, 9600) > band_db(left, 4800, 9600) + 6


def test_seagulls_are_above(calibration):
    """Gulls cry between 1 and 5 kHz, where nothing else comes from above or below."""
    _, ambix, _ = calibration
    up, down = heard(ambix, 0, 90), heard(ambix, 0, -90)
    assert band_db(up, 1200, 4800) > band_db(down, 1200, 4800) + 12


def test_the_loudest_direction_of_the_concert_is_the_singer(concert):
    _, ambix, facts = concert
    power = energy_map(ambix, 60, 120)
    loudest = int(power.argmax())
    vector = equirect_grid(60, 120).reshape(-1, 3)[loudest]
    azimuth, _ = azimuth_elevation(vector)
    assert abs(float(azimuth) - np.radians(15)) < np.radians(20)
    assert facts["sound"]["layout"] == "youtube-5.1"


def test_released_clips_become_ten_seconds_of_two_to_one(concert, calibration):
    for mp4, ambix, facts in (concert, calibration):
        assert tuple(ambix.shape) == (4, 240_000)
        with av.open(str(mp4)) as container:
            video = container.streams.video[0]
            assert (video.width, video.height, video.frames) == (640, 320, 160)
        assert facts["clip"]["sound"]["gain_db"] == 0.0


def test_a_recording_is_recognized_by_its_pixels_and_a_drawing_by_its_audio(concert, calibration):
    evidence = [facts["video"]["evidence"][0] for _, _, facts in (concert, calibration)]
    assert "look like equirectangular" in evidence[0]
    assert "because its sound is ambisonic" in evidence[1]


def test_the_converted_picture_is_the_sources(real_data, concert):
    mp4, _, _ = concert
    source = real_data / "real-clips" / "kqAZkf5Odyw-80.mp4"
    wanted, stored = grey_frames(source)[::12], grey_frames(mp4)[::8]  # two a second
    assert len(wanted) == len(stored) == 20
    for a, b in zip(wanted, stored, strict=True):
        error = np.mean((a - b) ** 2)
        assert 10 * np.log10(255**2 / error) > 33


def test_levels_of_the_concert_are_those_of_its_w_channel(real_data):
    clips = real_data / "real-clips"
    source = open_source(clips / "kqAZkf5Odyw-80.mp4", [clips / "kqAZkf5Odyw-80.m4a"])
    levels = w_levels_dbfs(source)
    assert len(levels) == 11
    assert np.median(levels) == pytest.approx(-18, abs=1)


def test_the_test_room_keeps_its_landmarks(real_data):
    """Blue ball in front, red-yellow target right, dark red square left, dark blue one behind."""
    room = real_data / "panorama" / "test-room-mono.mp4"
    assert probe(room).video[0].frames_measured == 360
    with open_media(room) as container:
        frame = next(container.decode(video=0)).to_ndarray(width=640, height=320, format="rgb24")
    image = torch.from_numpy(frame).permute(2, 0, 1).float()
    centres = {}
    for azimuth_deg in (0, -90, 90, 180):
        grid = view_grid(float(np.radians(azimuth_deg)), 0.0, float(np.radians(8)), 16, 16)
        centres[azimuth_deg] = sample_equirect(image, grid).mean(dim=(1, 2))
    red, blue = 0, 2
    assert centres[0].argmax() == blue
    assert centres[-90].argmax() == red
    assert centres[90].argmax() == red
    assert centres[180].argmax() == blue
    assert centres[-90][red] > centres[90][red]
    assert centres[0][blue] > centres[180][blue]


def test_the_test_room_has_no_sound_to_learn_from(real_data):
    with bad_item("no-audio"):
        open_source(real_data / "panorama" / "test-room-mono.mp4")


@pytest.mark.slow
def test_labelled_recordings_look_equirectangular(real_data):
    folder = real_data / "real-bench"
    with (folder / "labels.csv").open() as file:
        labels = list(csv.DictReader(file))
    for label in labels:
        stream = probe(folder / "clips" / label["file"]).video[0]
        assert label["projection"].startswith("equirectangular")
        assert stream.pixels is not None
        assert stream.pixels.wrongness("equirectangular", "mono", 0.1) < 0.1, label["file"]
        assert resolve_projection(stream, spatial_audio=True).kind == "equirectangular"
