"""Randomness that depends only on a key.

`keyed_generator` returns a generator, `keyed_uniform` the numbers of many positions at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Constants of Philox4x32 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
_MULTIPLIERS = np.array([[0xD2511F53], [0xCD9E8D57]], dtype=np.uint64)
_KEY_STEPS = np.array([[0x9E3779B9], [0xBB67AE85]], dtype=np.uint64)
_ROUNDS = np.arange(10, dtype=np.uint64)[:, None, None]
_WORD, _WORD_BITS = np.uint64(0xFFFFFFFF), np.uint64(32)


def keyed_generator(*key: int | str) -> np.random.Generator:
    """Return a random generator that is a pure function of `key`.

    The same key gives the same draws on every machine, in any order of calls; different keys give
    independent streams. Typical keys: ``(seed, epoch, position, "views")``, ``(seed, "scene", 7)``.

    Args:
        key: Integers of any size and strings; their order and types matter.
    """
    words = np.frombuffer(_hash(key), dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=words))


def keyed_uniform(
    *key: int | str, positions: Sequence[int] | NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    """Return uniform random numbers for many positions at once, from a counter-based generator.

    Row i is a pure function of `key` and ``positions[i]``: it is the same alone, in a batch, and on
    every machine. The first numbers of a row do not depend on `count`. Rows of different keys or
    positions are independent.

    Args:
        key: Integers of any size and strings; their order and types matter.
        positions: N integers of 64 bits.
        count: Numbers per position.

    Returns:
        float64 (N, count) in [0, 1), multiples of 2**-53.
    """
    rows = np.asarray(positions, dtype=np.int64).view(np.uint64)[:, None]
    blocks = np.arange((count + 1) // 2, dtype=np.uint64)[None]
    counters = np.empty((4, len(rows), blocks.shape[1]), dtype=np.uint64)
    counters[0], counters[1] = blocks & _WORD, blocks >> _WORD_BITS
    counters[2], counters[3] = rows & _WORD, rows >> _WORD_BITS
    words = philox(counters.reshape(4, -1), np.frombuffer(_hash(key)[:8], dtype=np.uint32))
    # 27 and 26 bits of a pair of words are the 53 bits of a number.
    integers = (words[0::2] >> np.uint64(5) << np.uint64(26)) | (words[1::2] >> np.uint64(6))
    numbers = integers.T.reshape(len(rows), -1)[:, :count]
    return numbers * 2.0**-53


def philox(counters: NDArray[np.uint64], key: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Return the words that Philox4x32-10 maps counters to.

    Args:
        counters: (4, N) words of 32 bits.
        key: (2,) words.

    Returns:
        (4, N) random words of 32 bits.
    """
    keys = (key.astype(np.uint64)[:, None] + _ROUNDS * _KEY_STEPS) & _WORD
    even, odd = counters[0::2], counters[1::2]
    for round_key in keys:
        products = (even * _MULTIPLIERS)[::-1]
        even = products >> _WORD_BITS
        even ^= odd
        even ^= round_key
        products &= _WORD
        odd = products
    return np.stack([even, odd], 1).reshape(4, -1)


def _hash(key: Sequence[int | str]) -> bytes:
    text = repr([part if isinstance(part, str) else int(part) for part in key])
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
