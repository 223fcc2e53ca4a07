from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from helpers.paths import REPOSITORY

from yt360.media.quantiles import median, quantile


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("shape", [1, 2, 7, 1000, (3, 5), (4, 6)])
def test_the_median_is_that_of_numpy_to_the_bit(shape, dtype):
    values = (np.random.default_rng(0).standard_normal(shape) * 1000).astype(dtype)
    assert median(values) == np.median(values)
    assert median(values.tolist()) == np.median(values.tolist())


def test_a_median_of_nothing_or_of_unknown_values_is_unknown():
    assert np.isnan(median([]))
    assert np.isnan(median([0.0, np.nan, 1.0, 2.0]))


@pytest.mark.parametrize("fraction", [0, 0.1, 0.4, 0.5, 0.9, 0.95, 1])
@pytest.mark.parametrize("shape", [1, 2, 3, 10, 999, (1, 4), (57, 4)])
def test_a_quantile_is_that_of_numpy_to_the_bit(shape, fraction):
    values = np.random.default_rng(0).standard_normal(shape)
    np.testing.assert_array_equal(quantile(values, fraction), np.quantile(values, fraction, axis=0))


def test_masked_arrays_are_not_imported_for_a_median():
    program = "import sys\nfrom yt360.media.quantiles import median, quantile\nmedian([1, 2])\n"
    program += "import numpy as np\nquantile(np.ones(3), 0.4)\n"
    program += "print('numpy.ma' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.stdout == "False\n", done.stderr
