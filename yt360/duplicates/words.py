"""Words: short hashes of feature vectors, of which similar vectors share some.

Bit i of a word is the side of a random hyperplane on which a vector lies. Two vectors at an angle
of α differ in a bit with probability α/π (Charikar, "Similarity estimation techniques from rounding
algorithms", STOC 2002), so near duplicates share whole words and unrelated vectors hardly ever do.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from yt360.randomness import keyed_generator

Words = NDArray[np.uint32]
MAX_BITS = 32


def hash_words(vectors: NDArray[np.floating], words: int, bits: int) -> Words:
    """Return the words (N, words) of vectors (N, D).

    Args:
        vectors: Feature vectors; their lengths do not matter.
        words: Words for each vector.
        bits: Bits of a word, at most `MAX_BITS`.
    """
    planes = _hyperplanes(vectors.shape[1], words * bits)
    sides = (vectors @ planes > 0).reshape(len(vectors), words, bits)
    return (sides << np.arange(bits, dtype=np.uint32)).sum(-1, dtype=np.uint32)


@lru_cache(maxsize=4)
def _hyperplanes(dimensions: int, count: int) -> NDArray[np.float32]:
    draws = keyed_generator("duplicates", dimensions, count)
    return draws.standard_normal((dimensions, count), dtype=np.float32)
