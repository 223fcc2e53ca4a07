import librosa
import numpy as np
import pytest

from avsa.views.mel_filters import hz_to_mel, mel_filters, mel_to_hz


@pytest.mark.filterwarnings("ignore:Empty filters")
@pytest.mark.parametrize("n_mels", [1, 40, 128])
@pytest.mark.parametrize("n_fft", [400, 512, 1023])
@pytest.mark.parametrize("sample_rate_hz", [8000, 24000, 44100])
def test_filters_are_those_of_librosa_to_the_bit(sample_rate_hz, n_fft, n_mels):
    expected = librosa.filters.mel(sr=sample_rate_hz, n_fft=n_fft, n_mels=n_mels, dtype=np.float64)
    np.testing.assert_array_equal(mel_filters(sample_rate_hz, n_fft, n_mels), expected)


def test_the_scale_is_that_of_librosa_to_the_bit():
    frequencies = np.array([0, 1, 999.9, 1000, 1000.1, 12000])
    mels = librosa.hz_to_mel(frequencies)
    np.testing.assert_array_equal(hz_to_mel(frequencies), mels)
    np.testing.assert_array_equal(mel_to_hz(mels), librosa.mel_to_hz(mels))


def test_a_frequency_returns_from_mels():
    frequencies = np.linspace(0, 24000, 100)
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(frequencies)), frequencies, rtol=1e-12)
