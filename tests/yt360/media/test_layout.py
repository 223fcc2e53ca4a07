import numpy as np
import pytest

from yt360.errors import BadItem, UserError
from yt360.media.layout import detect_layout, field_fit
from yt360.media.sound import apply_format
from yt360.media.spherical import SA3D

RATE = 48000


def noise(seed: int, samples: int = 2 * RATE) -> np.ndarray:
    white = np.random.default_rng(seed).standard_normal(samples)
    return (np.convolve(white, np.ones(4) / 4, mode="same") * 0.05).astype(np.float32)


def rumble(seed: int) -> np.ndarray:
    spectrum = np.fft.rfft(noise(seed))
    spectrum[np.fft.rfftfreq(2 * RATE, 1 / RATE) > 120] = 0
    return np.fft.irfft(spectrum).astype(np.float32) * 5


def stored_as(field: np.ndarray, name: str) -> np.ndarray:
    w, y, z, x = field
    silence, left, right = np.zeros_like(w), noise(90), noise(91)
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
    field = media.plane_waves(directions.tolist(), 2.0, seed=seed)
    layout = detect_layout([stored_as(field, name)], RATE)
    assert layout.name == name
    np.testing.assert_allclose(
        apply_format(stored_as(field, name), layout.format), field, atol=1e-6
    )


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
    assert layout.name == "ambix"
    assert bool(layout.doubts) == (silent == 3)


def test_a_horizontal_field_in_youtubes_5_1_is_recognized(media):
    field = media.plane_waves([(1, 0, 0), (0, 1, 0), (-1, -1, 0)], 2.0)
    layout = detect_layout([stored_as(field, "youtube-5.1")], RATE)
    assert layout.name == "youtube-5.1"


def test_w_three_decibels_low_is_no_fuma_where_the_third_channel_is_quiet(media):
    w, y, z, x = media.plane_waves([(1, 0.2, 0.1), (0.2, 1, -0.1), (-1, 1, 0.1)], 2.0)
    layout = detect_layout([np.stack([w / np.sqrt(2), y, z, x])], RATE)
    assert layout.name == "ambix"
    assert "FuMa" in layout.doubts[0]


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


def test_six_channels_of_vorbis_are_taken_in_the_order_they_were_stored(media):
    w, y, z, x = media.plane_waves(list(media.SIX_DIRECTIONS), 2.0)
    left, right = noise(90), noise(91)
    # Stored W Y Z X L R stands for FL FC FR BL BR LFE; decoders give FL FR FC LFE BL BR.
    decoded = np.stack([w, z, y, right, x, left])
    layout = detect_layout([decoded], RATE, codec="opus")
    assert layout.name == "head-locked"
    np.testing.assert_array_equal(apply_format(decoded, layout.format), np.stack([w, y, z, x]))


def test_a_declared_ambisonic_layout_is_believed(field):
    fuma_like = stored_as(field, "fuma")
    assert detect_layout([fuma_like], RATE, declared="ambisonic 1").name == "ambix"
    six = np.concatenate([field, field[:2]])
    assert detect_layout([six], RATE, declared="ambisonic 1+stereo").name == "head-locked"


def test_sa3d_overrules_the_numbers(field):
    w, y, z, x = field
    sa3d = SA3D(1, "acn", "sn3d", (3, 0, 1, 2), False)
    stored = np.stack([x, w, y, z])
    layout = detect_layout([stored], RATE, sa3d=sa3d)
    np.testing.assert_allclose(apply_format(stored, layout.format), field)
    with pytest.raises(BadItem, match="sa3d: the SA3D box maps 4 channels, the sound has 6"):
        detect_layout([np.zeros((6, 10), np.float32)], RATE, sa3d=sa3d)


def test_a_stated_layout_is_believed_or_refused_by_name(field):
    assert detect_layout([field], RATE, stated="fuma").name == "fuma"
    assert detect_layout([field], RATE, stated="ambisonics_quad").name == "ambix"
    with pytest.raises(BadItem, match=r"youtube-5\.1 needs 5 channels, the sound has 4"):
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
        assert layout.doubts == ("channel W is silent",)
