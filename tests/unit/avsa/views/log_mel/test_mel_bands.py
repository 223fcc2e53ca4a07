import librosa
import numpy as np
import pytest
import torch

from avsa.views.log_mel.mel_bands import bands_of_bins, to_mel

RATE = 24000
SIZES = [(512, 128), (400, 64), (1024, 5), (128, 300), (2, 1)]


def filter_bank(n_fft, n_mels):
    return librosa.filters.mel(sr=RATE, n_fft=n_fft, n_mels=n_mels).T


@pytest.mark.filterwarnings("ignore:Empty filters")
@pytest.mark.parametrize(("n_fft", "n_mels"), SIZES)
def test_blocks_multiply_like_the_whole_filter_bank(n_fft, n_mels):
    magnitude = torch.rand(7, n_fft // 2 + 1, generator=torch.Generator().manual_seed(0))
    expected = magnitude @ torch.from_numpy(filter_bank(n_fft, n_mels))
    torch.testing.assert_close(to_mel(magnitude, RATE, n_mels), expected)


@pytest.mark.filterwarnings("ignore:Empty filters")
@pytest.mark.parametrize(("n_fft", "n_mels"), SIZES)
def test_each_bin_is_in_at_most_two_adjacent_bands(n_fft, n_mels):
    bins = n_fft // 2 + 1
    lower, weights = bands_of_bins(RATE, bins, n_mels)
    matrix = np.zeros((bins, n_mels + 1))
    matrix[np.arange(bins), lower] = weights[0]
    matrix[np.arange(bins), lower + 1] += weights[1]
    np.testing.assert_allclose(matrix[:, :-1], filter_bank(n_fft, n_mels), atol=1e-9)
    assert not matrix[:, -1].any()
