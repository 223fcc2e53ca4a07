import subprocess

import numpy as np
import pytest
from helpers.errors import bad_item

from yt360.ambisonics.formats import to_ambix
from yt360.errors import BadItem, UserError
from yt360.media.audio.reader import AudioReader
from yt360.media.containers.spherical import SA3D
from yt360.media.ffmpeg import ffmpeg_binary
from yt360.media.layout.detection import detect_layout
from yt360.media.layout.field_statistics import field_fit
from yt360.media.probe import probe

RATE = 48000


def noise(seed: int, samples: int = 2 * RATE) -> np.ndarray:
    white = np.random.default_rng(seed).standard_normal(samples)
    return (np.convolve(white, np.ones(4) / 4, mode="same") * 0.05).astype(np.float32)


def codes(layout) -> list[str]:
    return [doubt.code for doubt in layout.warnings]


def rumble(seed: int) -> np.ndarray:
    spectrum = np.fft.rfft(noise(seed))
    spectrum[np.fft.rfftfreq(2 * RATE, 1 / RATE) > 120] = 0
    return np.fft.irfft(spectrum).astype(np.float32) * 5


def stored_as(field: np.ndarray, name: str) -> np.ndarray:
    w, y, z, x = field
    silence, left, right = np.zeros_like(w), noise(90, len(w)), noise(91, len(w))
    return np.stack(
        {
            "ambix": [w, y, z, x],
            "fuma": [w / np.sqrt(2), x, y, z],
            "youtube-5.1": [x, y, w, silence, z, silence],
            "head-locked": [w, y, z, x, left, right],
        }[name]
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["ambix", "fuma", "youtube-5.1", "head-locked"])
def test_each_layout_is_recognized_and_gives_the_field_back(media, name, seed):
    directions = np.random.default_rng(seed).standard_normal((1 + 2 * seed, 3))
    directions[:, 2] /= 3
    field = media.plane_waves(directions.tolist(), 6.0 if name == "fuma" else 2.0, seed=seed)
    layout = detect_layout([stored_as(field, name)], RATE)
    assert layout.name == name
    np.testing.assert_allclose(to_ambix(stored_as(field, name), layout.format), field, atol=1e-6)


def test_noise_that_single_channels_carry_does_not_hide_the_layout(field):
    field = field.copy()
    for channel, seed in ((1, 5), (2, 6), (3, 7)):
        field[channel] += rumble(seed)
    assert detect_layout([field], RATE).name == "ambix"
    fuma = stored_as(field, "fuma")
    assert detect_layout([fuma], RATE).name == "fuma"


@pytest.mark.parametrize("silent", [1, 2, 3])
def test_a_silent_direction_is_valid(media, silent):
    direction = np.ones((3, 3)) * [[1, 1, 1], [1, -1, 1], [-1, 1, -1]]
    direction[:, {1: 1, 2: 2, 3: 0}[silent]] = 0
    layout = detect_layout([media.plane_waves(direction.tolist(), 2.0)], RATE)
    assert layout.name == ("fuma" if silent == 3 else "ambix")
    assert codes(layout) == []


def test_a_silent_last_channel_contradicts_a_declared_order(media):
    field = media.plane_waves([(0, 1, 0.4), (0, -1, 0.6), (0, 0.3, -1)], 2.0)
    layout = detect_layout([field], RATE, declared="ambisonic 1")
    assert (layout.name, codes(layout)) == ("ambix", ["channel-order"])


@pytest.mark.parametrize("leak_db", [-200, -33])
@pytest.mark.parametrize("w_db", [-3.0, 0.0, 3.0])
def test_a_horizontal_recording_in_fuma_order_is_recognized_by_its_silent_z(media, leak_db, w_db):
    w, y, _, x = media.plane_waves([(1, 0.3, 0), (-0.5, 0.8, 0), (0.1, -1, 0)], 2.0)
    stored = np.stack([10 ** (w_db / 20) * w, x, y, 10 ** (leak_db / 20) * y]).astype(np.float32)
    layout = detect_layout([stored], RATE)
    assert layout.name == "fuma"
    np.testing.assert_array_equal(to_ambix(stored, layout.format)[1:], stored[[2, 3, 1]])


def test_a_horizontal_field_in_youtubes_5_1_is_recognized(media):
    field = media.plane_waves([(1, 0, 0), (0, 1, 0), (-1, -1, 0)], 2.0)
    layout = detect_layout([stored_as(field, "youtube-5.1")], RATE)
    assert layout.name == "youtube-5.1"


def test_w_three_decibels_low_is_no_fuma_where_the_third_channel_is_quiet(media):
    w, y, z, x = media.plane_waves([(1, 0.2, 0.1), (0.2, 1, -0.1), (-1, 1, 0.1)], 2.0)
    layout = detect_layout([np.stack([w / np.sqrt(2), y, z, x])], RATE)
    assert layout.name == "ambix"
    assert codes(layout) == ["normalization"]
    assert "FuMa" in layout.warnings[0].detail


def surround(name: str) -> list[np.ndarray]:
    left, right, back_left, back_right = (noise(seed) for seed in range(4))
    speech = noise(4) * (np.sin(np.arange(2 * RATE) / RATE * 4) > 0)
    silence = np.zeros_like(left)
    return {
        "5.1": [left, right, 1.5 * speech, rumble(5), 0.5 * back_left, 0.5 * back_right],
        "5.1 without LFE": [left, right, 1.5 * speech, silence, back_left, back_right],
        "3.0": [left, right, 1.4 * speech, silence, silence, silence],
        "stereo": [left, right, silence, silence, silence, silence],
        "speech": [silence, silence, speech, silence, silence, silence],
        "silence": [silence] * 6,
    }[name]


@pytest.mark.parametrize("name", ["5.1", "5.1 without LFE", "3.0", "stereo", "speech", "silence"])
def test_film_sound_in_six_channels_is_not_spatial(name):
    assert not detect_layout([np.stack(surround(name))], RATE, declared="5.1").is_spatial


@pytest.mark.parametrize("channels", [1, 2, 3, 5, 7, 8, 10])
def test_channel_counts_without_ambisonics_are_not_spatial(channels):
    pieces = [np.stack([noise(seed) for seed in range(channels)])]
    assert not detect_layout(pieces, RATE).is_spatial


@pytest.mark.parametrize("channels", [9, 16, 18, 25])
def test_higher_orders_are_cut_to_four_channels_and_said_so(channels):
    layout = detect_layout([np.zeros((channels, 10), np.float32)], RATE)
    assert layout.format.channels == (0, 1, 2, 3)
    assert "channels dropped" in layout.format.note


TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)


def mistaken(name: str, field: np.ndarray) -> np.ndarray:
    """Return four channels that are no ambiX, made of a field."""
    w, y, z, x = field
    return np.stack(
        {
            "fuma": [w / np.sqrt(2), x, y, z],
            "n3d": [w, *(np.sqrt(3) * field[1:])],
            "capsules": [(w + a * x + b * y + c * z) / 2 for a, b, c in TETRAHEDRON],
            "permuted": [z, w, x, y],
        }[name]
    )


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("fuma", "normalization"),
        ("n3d", "normalization"),
        ("capsules", "a-format"),
        ("permuted", "no-field"),
    ],
)
@pytest.mark.parametrize("said_by", ["sa3d", "name", "statement", "nobody"])
def test_no_source_is_believed_against_the_samples(media, name, code, said_by):
    """The scene: a source at azimuth 60, elevation 20, two weaker ones elsewhere."""
    waves = [((0.47, 0.81, 0.34), 1.0), ((-0.3, -0.9, 0.2), 0.9), ((-0.9, 0.2, -0.2), 0.8)]
    field = sum(
        gain * media.plane_waves([way], 3.0, seed=number)
        for number, (way, gain) in enumerate(waves)
    )
    said = {
        "sa3d": {"sa3d": SA3D(1, "acn", "sn3d", (0, 1, 2, 3), False)},
        "name": {"declared": "ambisonic 1"},
        "statement": {"stated": "ambix"},
        "nobody": {},
    }[said_by]
    assert codes(detect_layout([field], RATE, **said)) == []
    layout = detect_layout([mistaken(name, field)], RATE, **said)
    if name == "fuma" and said_by == "nobody":  # recognized, and put right
        assert (layout.name, codes(layout)) == ("fuma", ["two-readings"])
    else:
        assert code in codes(layout)


def test_fuma_with_sound_from_above_is_not_taken_for_ambix_without_a_doubt(media):
    w, y, z, x = media.plane_waves([(0.7, 0.1, 0.7), (-0.6, -0.1, 0.8)], 3.0)
    layout = detect_layout([np.stack([w / np.sqrt(2), x, y, z])], RATE)
    assert codes(layout) == ["normalization"]


@pytest.mark.parametrize("gain_db", [-5.0, -3.0, 3.0])
def test_a_microphone_whose_gain_wanders_contradicts_nothing(media, gain_db):
    """Real recorders: W is some dB off, and more so at high frequencies; Z may be silent."""
    field = media.plane_waves([(1, 0.3, 0), (-0.5, 0.8, 0), (0.1, -1, 0)], 3.0).astype(float)
    spectrum = np.fft.rfft(field[0])
    octaves = np.log2(np.maximum(np.fft.rfftfreq(field.shape[1], 1 / RATE), 20) / 1000)
    field[0] = np.fft.irfft(spectrum * 10 ** ((gain_db - 0.8 * octaves) / 20), field.shape[1])
    layout = detect_layout([field.astype(np.float32)], RATE, declared="ambisonic 1")
    assert codes(layout) == []


@pytest.mark.parametrize("tilt_db", [-1.2, -0.4, 0.4])
def test_a_ratio_near_two_on_average_is_a_microphone_with_a_weak_w(media, tilt_db):
    field = media.plane_waves(list(media.SIX_DIRECTIONS), 3.0).astype(float)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(field.shape[1], 1 / RATE), 20) / 1000)
    gain = 10 ** ((-3 + tilt_db * octaves) / 20)
    field[0] = np.fft.irfft(np.fft.rfft(field[0]) * gain, field.shape[1])
    layout = detect_layout([field.astype(np.float32)], RATE)
    assert (layout.name, codes(layout)) == ("ambix", [])


@pytest.mark.parametrize("channels", [5, 7, 8, 12])
def test_other_counts_are_cut_to_four_channels_that_are_a_field(field, channels):
    rest = np.stack([noise(90 + number, field.shape[1]) for number in range(channels - 4)])
    layout = detect_layout([np.concatenate([field, rest])], RATE)
    assert layout.name == "ambix"
    assert layout.format.channels == (0, 1, 2, 3)
    assert "dropped" in layout.format.note


def direction_deg(ambix: np.ndarray) -> np.ndarray:
    y, z, x = (float(np.mean(ambix[0] * channel)) for channel in ambix[1:])
    return np.degrees([np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))])


@pytest.fixture(scope="module")
def head_locked_wav(media, tmp_path_factory):
    """W Y Z X L R in a WAV, which FFmpeg takes for 5.1; a source at azimuth 60, elevation 20."""
    field = media.plane_waves([(0.4698, 0.8138, 0.342)], 3.0)
    path = tmp_path_factory.mktemp("six") / "six.wav"
    stereo = np.stack([noise(90, 3 * RATE), noise(91, 3 * RATE)])
    bursts = np.where(np.arange(3 * RATE) % (RATE // 2) < RATE // 6, 1.0, 0.15)
    sound = np.concatenate([field * bursts, stereo]).astype(np.float32)
    return media.write(path, fps=None, sound=sound, sound_codec="pcm_s16le")


@pytest.mark.parametrize(
    ("suffix", "arguments"),
    [
        ("opus", ["libopus", "-b:a", "768k"]),
        ("webm", ["libopus", "-b:a", "768k"]),
        ("opus", ["libopus", "-b:a", "768k", "-mapping_family", "1"]),
        ("opus", ["libopus", "-b:a", "768k", "-mapping_family", "255"]),
        ("ogg", ["libvorbis"]),
        ("ogg", ["libvorbis", "-q:a", "9"]),
        ("m4a", ["aac", "-b:a", "512k"]),
        ("mkv", ["ac3", "-b:a", "640k"]),
        ("flac", ["flac"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_head_locked_sound_comes_out_right_or_not_at_all(
    head_locked_wav, tmp_path, suffix, arguments
):
    """Encoders of film sound cut the fourth channel, X, down to an LFE; the rest is no field."""
    path = tmp_path / f"a.{suffix}"
    command = [
        ffmpeg_binary(),
        "-loglevel",
        "error",
        "-i",
        head_locked_wav,
        "-c:a",
        *arguments,
        path,
    ]
    subprocess.run(command, check=True)
    (audio,) = probe(path).audio
    whole = arguments[0] == "flac" or (arguments[0] == "libopus" and arguments[-1] != "1")
    assert audio.layout.is_spatial == whole
    if whole:
        with AudioReader(path) as reader:
            sound, _ = reader.read(0, 3 * RATE)
        ambix = to_ambix(sound, audio.layout.format)
        np.testing.assert_allclose(direction_deg(ambix), (60, 20), atol=3)
    else:
        assert "cut down to an LFE" in audio.layout.evidence[0]


def test_six_channels_of_vorbis_are_taken_in_the_order_they_were_stored(media):
    w, y, z, x = media.plane_waves(list(media.SIX_DIRECTIONS), 2.0)
    left, right = noise(90), noise(91)
    # Stored W Y Z X L R stands for FL FC FR BL BR LFE; decoders give FL FR FC LFE BL BR.
    decoded = np.stack([w, z, y, right, x, left])
    layout = detect_layout([decoded], RATE, codec="opus", declared="5.1")
    assert layout.name == "head-locked"
    assert codes(layout) == []
    np.testing.assert_array_equal(to_ambix(decoded, layout.format), np.stack([w, y, z, x]))


def test_a_declared_ambisonic_layout_is_believed_and_doubted_where_the_sound_contradicts(field):
    fuma_like = stored_as(field, "fuma")
    layout = detect_layout([fuma_like], RATE, declared="ambisonic 1")
    assert layout.name == "ambix"
    assert "normalization" in codes(layout)
    assert codes(detect_layout([field], RATE, declared="ambisonic 1")) == []
    six = np.concatenate([field, field[:2]])
    assert detect_layout([six], RATE, declared="ambisonic 1+stereo").name == "head-locked"


def test_sa3d_overrules_the_numbers(field):
    w, y, z, x = field
    sa3d = SA3D(1, "acn", "sn3d", (3, 0, 1, 2), False)
    stored = np.stack([x, w, y, z])
    layout = detect_layout([stored], RATE, sa3d=sa3d)
    np.testing.assert_allclose(to_ambix(stored, layout.format), field)
    with bad_item("sa3d"):
        detect_layout([np.zeros((6, 10), np.float32)], RATE, sa3d=sa3d)


def test_a_stated_layout_is_believed_or_refused_by_name(field):
    wrong = detect_layout([field], RATE, stated="fuma")
    assert wrong.name == "fuma"
    assert "normalization" in codes(wrong)
    assert detect_layout([field], RATE, stated="ambisonics_quad").name == "ambix"
    with pytest.raises(BadItem, match=r"youtube-5\.1 needs 5 channels; the audio has 4"):
        detect_layout([field], RATE, stated="youtube-5.1")
    with pytest.raises(UserError, match="did you mean 'fuma'"):
        detect_layout([field], RATE, stated="fumma")


@pytest.mark.parametrize(("gain", "ratio"), [(1.0, 1.0), (2**-0.5, 2.0), (3**-0.5, 3.0)])
def test_the_ratio_follows_the_weight_of_w(field, gain, ratio):
    stored = field * np.array([[gain], [1], [1], [1]], np.float32)
    fit = field_fit([stored], RATE, 0, (1, 2, 3))
    assert fit.ratio == pytest.approx(ratio, rel=0.1)
    assert fit.total_ratio == pytest.approx(ratio, rel=0.05)


def test_silence_and_emptiness_are_decided_without_numbers():
    for samples in (0, 10, RATE):
        layout = detect_layout([np.zeros((4, samples), np.float32)], RATE)
        assert layout.name == "ambix"
        assert codes(layout) == ["silent-w"]
