"""The Fourier transform of real audio, by SciPy.

NumPy's transform of float32 takes six times as long. But an import of `scipy.fft` takes 0.15 s,
mostly for packages that it does not need here, which is as long as all transforms of ten minutes of
audio take. So the compiled module that does SciPy's work is loaded alone where it is known.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Transform = Callable[[NDArray[np.float32]], NDArray[np.complex64]]

_LARGEST_FACTOR = 11


def rfft(values: NDArray[np.float32]) -> NDArray[np.complex64]:
    """Return the transform (..., n // 2 + 1) of the last axis of `values` (..., n)."""
    return _transform()(values)


def is_fast(size: int) -> bool:
    """Return whether a transform of this size is fast: it has no prime factor above 11."""
    for factor in range(2, _LARGEST_FACTOR + 1):
        while size % factor == 0:
            size //= factor
    return size == 1


@cache
def _transform() -> Transform:
    return compiled_transform() or _whole_package()


def compiled_transform(package: str = "scipy") -> Transform | None:
    """Return the transform of a module of SciPy that is not public; None if it has another form.

    Args:
        package: SciPy.
    """
    try:
        spec = find_spec(package)
        folders = spec.submodule_search_locations if spec else None
        folder = Path((folders or [])[0], "fft", "_pocketfft")
        finder = FileFinder(str(folder), (ExtensionFileLoader, EXTENSION_SUFFIXES))
        found = finder.find_spec("pypocketfft")
        assert found is not None and found.loader is not None
        module: Any = module_from_spec(found)
        found.loader.exec_module(module)

        def transform(values: NDArray[np.float32]) -> NDArray[np.complex64]:
            # Forwards, not normalized, into a new array, with one thread.
            return np.asarray(module.r2c(values, (values.ndim - 1,), True, 0, None, 1))

        if transform(np.ones((1, 2), np.float32)).tolist() != [[2, 0]]:
            return None
    except Exception:  # whatever another version of SciPy has there
        return None
    return transform


def _whole_package() -> Transform:
    from scipy.fft import rfft as transform  # a slow import

    return lambda values: np.asarray(transform(values, axis=-1))
