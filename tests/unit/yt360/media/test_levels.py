import numpy as np
import pytest
import soundfile

from yt360.media.source import open_source, w_levels_dbfs


def test_levels_are_those_of_w(media, tmp_path):
    sound = media.plane_waves([(1, 0, 0), (0, 1, 0)], 3.5)
    sound[:, 48000:96000] *= 0.01
    path = media.write(tmp_path / "a.mkv", seconds=4, sound=sound, sound_codec="flac")
    levels = w_levels_dbfs(open_source(path))
    assert len(levels) == 4
    expected = [
        10 * np.log10(np.mean(sound[0, start : start + 48000] ** 2))
        for start in range(0, 168000, 48000)
    ]
    np.testing.assert_allclose(levels, expected, atol=0.1)


@pytest.mark.filterwarnings("error")
def test_a_window_with_samples_that_are_no_sound_has_no_level(media, tmp_path):
    sound = media.plane_waves(list(media.SIX_DIRECTIONS), 4.0)
    sound[2, 60_000] = np.nan
    video = media.write(tmp_path / "a.mp4", seconds=4)
    soundfile.write(tmp_path / "a.wav", sound.T, 48000, subtype="FLOAT")
    levels = w_levels_dbfs(open_source(video, [tmp_path / "a.wav"]))
    assert list(np.isfinite(levels)) == [True, False, True, True]
