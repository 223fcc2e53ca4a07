from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import scipy.fft
from helpers.paths import REPOSITORY

from yt360.media.layout.real_fft import _whole_package, compiled_transform, is_fast, rfft


@pytest.mark.parametrize("size", [2, 30, 512, 1022])
def test_the_transform_is_that_of_scipy_to_the_bit(size):
    values = np.random.default_rng(0).standard_normal((2, 3, size)).astype(np.float32)
    found = rfft(values)
    assert found.dtype == np.complex64
    np.testing.assert_array_equal(found, scipy.fft.rfft(values, axis=2))
    np.testing.assert_array_equal(found, _whole_package()(values))


def test_a_size_is_fast_if_scipy_would_not_choose_a_larger_one():
    sizes = range(2, 2000)
    assert [is_fast(size) for size in sizes] == [
        scipy.fft.next_fast_len(size) == size for size in sizes
    ]


@pytest.mark.parametrize("package", ["no_such_package", "json", "math"])
def test_there_is_no_compiled_transform_in_a_package_of_another_form(package):
    assert compiled_transform(package) is None


def test_scipy_is_not_imported_for_a_transform():
    program = (
        "import sys, numpy as np\n"
        "from yt360.media.layout.real_fft import compiled_transform, rfft\n"
        "rfft(np.ones((2, 16), np.float32))\n"
        "print(compiled_transform() is None or 'scipy.fft' not in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.stdout == "True\n", done.stderr
