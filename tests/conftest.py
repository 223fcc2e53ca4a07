"""Fixtures that every test may use."""

from __future__ import annotations

import os
import random
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parents[1]

# The same examples on every machine, however slow it is.
settings.register_profile("suite", derandomize=True, database=None, deadline=None)
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def restored_random_state() -> Iterator[None]:
    """Give every test the same random state and leave none behind."""
    torch_state, numpy_state, python_state = (
        torch.get_rng_state(),
        np.random.get_state(),  # noqa: NPY002 - the legacy state is what must be restored
        random.getstate(),
    )
    torch.manual_seed(0)
    yield
    torch.set_rng_state(torch_state)
    np.random.set_state(numpy_state)  # noqa: NPY002
    random.setstate(python_state)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real clips: $YT360_REAL_DATA, or shared/data beside the checkout."""
    folder = Path(os.environ.get("YT360_REAL_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "real-clips").is_dir():
        pytest.skip("no real clips here: set YT360_REAL_DATA to a folder that has real-clips/")
    return folder


@pytest.fixture
def file_size_limit() -> Callable[[int], AbstractContextManager[None]]:
    """Return a context manager in which no file may become longer than so many bytes.

    Writing beyond fails as on a full disk, with another number: EFBIG.
    """

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited
