"""The ratio of a field is constant in each octave, for the channel that is W and for no other."""

import numpy as np
import pytest
from numpy.typing import NDArray
from quality.sound_fields import Room, diffuse, scene

from yt360.media.layout.sound_field import FieldAnalyzer
from yt360.quality.signal.field_ratios import FieldRatios
from yt360.randomness import keyed_generator

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def field() -> NDArray:
    return scene(keyed_generator("ratios"), 5, 4 * RATE_HZ, RATE_HZ, Room(), -30.0)


def measured(sound: NDArray) -> dict[str, float]:
    ratios = FieldRatios(1024)
    for segment in FieldAnalyzer(RATE_HZ).feed(sound.astype(np.float32)):
        ratios.feed(segment)
    return ratios.measure(tolerance_db=1.5, range_db=25.0, silent_dbfs=-85.0, least_width=3.0)


def test_a_gain_of_w_moves_the_ratio_and_not_the_fit(field: NDArray) -> None:
    weak = field * np.array([[0.5], [1], [1], [1]])
    assert measured(weak)["ratio_db"] - measured(field)["ratio_db"] == pytest.approx(6.02, abs=0.01)
    assert measured(weak)["w_gain_db"] == pytest.approx(measured(field)["w_gain_db"] - 6, abs=0.15)
    assert measured(weak)["field"] == pytest.approx(measured(field)["field"], abs=0.03)


def test_permuted_channels_fit_where_w_went(field: NDArray) -> None:
    right, permuted = measured(field), measured(field[[3, 1, 2, 0]])
    assert permuted["field_w_is_x"] == pytest.approx(right["field_w_is_w"])
    assert permuted["field_w_is_w"] == pytest.approx(right["field_w_is_x"])
    assert right["field_w_is_w"] > 0.9 > right["field_w_is_x"]


def test_audio_in_w_alone_lowers_the_ratio_and_is_consistent_with_a_field(field: NDArray) -> None:
    voice = np.zeros_like(field)
    bursts = np.sin(np.arange(field.shape[1]) * 2 * np.pi / RATE_HZ) > 0.5
    voice[0] = 2 * bursts * keyed_generator("voice").standard_normal(field.shape[1])
    mixed = measured(field + voice)
    assert mixed["field"] < 0.8
    assert mixed["agreement"] > 0.9
    assert measured(field + np.roll(voice, 1, axis=0))["agreement"] < 0.9


def test_feeds_of_a_horizontal_field_are_dependent_and_four_diffuse_channels_are_not() -> None:
    sound = diffuse(keyed_generator("feeds"), 4 * RATE_HZ, RATE_HZ)
    corners = np.radians([45, -45, 135, -135])
    feeds = np.stack([sound[0] + np.cos(a) * sound[3] + np.sin(a) * sound[1] for a in corners])
    assert measured(feeds)["dependence_db"] < -40
    assert measured(feeds)["dependence_evenness"] > 0.99
    assert measured(sound)["dependence_db"] > -3


def test_silence_has_no_tiles() -> None:
    assert measured(np.zeros((4, RATE_HZ))) == {"tiles": 0.0}
    assert measured(np.zeros((4, 10))) == {"tiles": 0.0}
