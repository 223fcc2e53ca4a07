"""Random generators that depend only on a key."""

from __future__ import annotations

import hashlib

import numpy as np


def keyed_generator(*key: int | str) -> np.random.Generator:
    """Return a random generator that is a pure function of `key`.

    The same key gives the same draws on every machine, in any order of calls; different keys give
    independent streams. Typical keys: ``(seed, epoch, position, "views")``, ``(seed, "scene", 7)``.

    Args:
        key: Integers of any size and strings; their order and types matter.
    """
    text = repr([part if isinstance(part, str) else int(part) for part in key])
    words = np.frombuffer(hashlib.blake2b(text.encode(), digest_size=16).digest(), dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=words))
