"""The correction of the gain of W leaves every labelled source where it is."""

import csv

import numpy as np
import pytest

from yt360.media.audio.reader import AmbixReader, AudioReader
from yt360.media.convert import to_int16
from yt360.media.layout.field_correction import DEAD_BAND_DB, field_correction
from yt360.media.layout.field_gain import FieldGainMeter
from yt360.media.layout.sound_field import FieldAnalyzer
from yt360.media.source import open_source, w_levels_dbfs

pytestmark = [pytest.mark.real, pytest.mark.slow]
RATE = 24000


def gain_of(ambix: np.ndarray) -> float:
    meter = FieldGainMeter()
    for segment in FieldAnalyzer(RATE).feed(ambix):
        meter.feed(segment)
    return meter.gain().broadband_db


def intensity(ambix: np.ndarray) -> np.ndarray:
    """Return the unit vector (y, z, x) of the mean intensity between 0.5 and 4 kHz."""
    hz = np.fft.rfftfreq(ambix.shape[1], 1 / RATE)
    w, *yzx = np.fft.rfft(ambix)[:, (hz >= 500) & (hz < 4000)]
    vector = np.array([(w.conj() * each).real.sum() for each in yzx])
    return vector / np.linalg.norm(vector)


def off_azimuth(vector: np.ndarray, azimuth_deg: float) -> float:
    """Return the distance of a direction (y, z, x) from an azimuth in degrees."""
    heard_deg = np.degrees(np.arctan2(vector[0], vector[2]))
    return abs((heard_deg - azimuth_deg + 180) % 360 - 180)


@pytest.fixture(scope="module")
def recordings(real_data):
    """Usable recordings with their labels, ambiX, and measured gain."""
    folder = real_data / "real-bench"
    found = []
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if not row["sound"].startswith(("foa", "fuma-order")):
                continue
            source, meter = open_source(folder / "clips" / row["file"]), FieldGainMeter()
            w_levels_dbfs(source, gain_meter=meter)
            with AudioReader(source.audio, source.audio_stream.position) as reader:
                layout = source.audio_stream.layout.format
                ambix, _ = AmbixReader(reader, layout, RATE).read(0, 10 * RATE)
            found.append((row, ambix, meter.gain()))
    return found


@pytest.mark.parametrize("mode", ["broadband", "octaves"])
def test_directions_stay_and_the_gain_becomes_right(recordings, mode):
    corrected = 0
    for row, ambix, gain in recordings:
        correction = field_correction(gain, mode)
        if correction is None:
            assert abs(gain.broadband_db) <= DEAD_BAND_DB, row["file"]
            continue
        corrected += 1
        stored, _ = to_int16(correction.apply(ambix, RATE))
        after = stored.astype(np.float32) / 32768
        directions = intensity(ambix), intensity(after)
        assert np.degrees(np.arccos(min(np.dot(*directions), 1))) < 1, row["file"]
        if "yes" in row["sound_agrees_with_picture"] and row["source_azimuth"]:
            azimuth_deg, tolerance_deg = float(row["source_azimuth"]), float(row["tolerance"])
            assert max(off_azimuth(each, azimuth_deg) for each in directions) < tolerance_deg
        assert abs(gain_of(after)) < 1, row["file"]
    assert corrected >= 5


def test_the_gain_is_that_of_the_labels(recordings):
    """Labels were measured in other octaves, which matters where the gain changes with them."""
    for row, _, gain in recordings:
        tolerance_db = 0.7 + gain.tilt_db / 4
        assert gain.broadband_db == pytest.approx(float(row["w_gain_db"]), abs=tolerance_db)
