"""Words (short hashes of feature vectors), and pairs of recordings that have words in common.

Bit i of a word is the side of a random hyperplane on which a vector lies. Two vectors at an angle
of α differ in a bit with probability α/π (Charikar, "Similarity estimation techniques from rounding
algorithms", STOC 2002), so near duplicates have whole words in common and unrelated vectors hardly
ever do. Pairs are found by sorting, in O(n log n) for n words.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from yt360.randomness import keyed_generator

Words = NDArray[np.uint32]
WORDS, BITS = 8, 30
"""Words of a vector, and bits of a word."""
MIN_COLUMNS = 2
"""In how many of its words a recording must agree with another one. Copies agree in 3 and more; of
unrelated recordings, one pair in 5,000 agrees in one word by chance, none in a million in two."""
_NEIGHBOURS = 32
"""Each recording is paired with this many of those that share a word with it. Of a word that more
share, such as an intro of a channel, all recordings are still linked to each other."""
EXAMPLES = 8
"""Moments that are kept for each pair."""


@dataclass(frozen=True)
class Candidates:
    """Pairs of recordings to compare.

    Attributes:
        pairs: Numbers (N, 2) of the recordings, the smaller one first, without repetition.
        moments: Rows (N, `EXAMPLES`, 2) of the words that they share, one example in each; -1 where
            there are fewer.
    """

    pairs: NDArray[np.int64]
    moments: NDArray[np.int64]


def hash_words(vectors: NDArray[np.floating]) -> Words:
    """Return the words (N, `WORDS`) of feature vectors (N, D), whose lengths do not matter."""
    sides = (vectors @ _hyperplanes(vectors.shape[1]) > 0).reshape(len(vectors), WORDS, BITS)
    return (sides << np.arange(BITS, dtype=np.uint32)).sum(-1, dtype=np.uint32)


def find_candidates(
    words: Words,
    recordings: NDArray[np.int64],
    videos: NDArray[np.int64],
    min_columns: int = MIN_COLUMNS,
) -> Candidates:
    """Return the pairs of recordings of different videos that share words.

    Args:
        words: Words (N, C): column c of one row is compared with column c of others.
        recordings: Number (N,) of the recording of each row, in ascending order.
        videos: Number of the video of each recording.
        min_columns: In how many columns two recordings must share a word, at any moments.
    """
    hits = [_collisions(words[:, column], recordings, videos) for column in range(words.shape[1])]
    columns = np.repeat(np.arange(len(hits)), [len(each) for each in hits])
    rows = np.concatenate([np.zeros((0, 2), np.int64), *hits])
    owners = recordings[rows]
    order = np.lexsort((columns, owners[:, 1], owners[:, 0]))
    rows, owners, columns = rows[order], owners[order], columns[order]
    is_new = _is_first(owners[:, 0], owners[:, 1])
    pair = np.cumsum(is_new) - 1
    is_new_column = _is_first(pair, columns)
    counts = np.bincount(pair[is_new_column], minlength=int(is_new.sum()))
    within = np.arange(len(pair)) - np.flatnonzero(is_new)[pair]
    moments = np.full((len(counts), EXAMPLES, 2), -1, np.int64)
    early = within < EXAMPLES
    moments[pair[early], within[early]] = rows[early]
    enough = counts >= min_columns
    return Candidates(owners[is_new][enough], moments[enough])


def _collisions(
    column: NDArray[np.uint32], recordings: NDArray[np.int64], videos: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return rows (N, 2) with equal words, of recordings of different videos."""
    order = np.argsort(column, kind="stable")
    starts = _is_first(column[order])
    order = order[~(starts & np.append(starts[1:], True)[: len(starts)])]  # unique words
    # One row for each word and recording, because a still camera repeats its words.
    order = order[_is_first(column[order], recordings[order])]
    word, video = column[order], videos[recordings[order]]
    found = [np.zeros((0, 2), np.int64)]
    for distance in range(1, _NEIGHBOURS + 1):
        same_word = word[distance:] == word[:-distance]
        if not same_word.any():
            break
        at = np.flatnonzero(same_word & (video[distance:] != video[:-distance]))
        found.append(np.stack([order[at], order[at + distance]], axis=1))
    return np.concatenate(found)


def _is_first(*columns: NDArray) -> NDArray[np.bool_]:
    """Return which rows differ from the row before."""
    first = np.ones(len(columns[0]), bool)
    if len(first):
        first[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return first


@lru_cache(maxsize=4)
def _hyperplanes(dimensions: int) -> NDArray[np.float32]:
    draws = keyed_generator("duplicates", dimensions)
    return draws.standard_normal((dimensions, WORDS * BITS), dtype=np.float32)
