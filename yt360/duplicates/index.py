"""Find pairs of recordings that share words, by sorting: n log n in the number of words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yt360.duplicates.words import Words

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


def find_candidates(
    words: Words, recordings: NDArray[np.int64], videos: NDArray[np.int64], min_columns: int = 1
) -> Candidates:
    """Return the pairs of recordings of different videos that share words.

    Args:
        words: Words (N, C): column c of one row is compared with column c of others.
        recordings: Number (N,) of the recording of each row, in ascending order.
        videos: Number of the video of each recording.
        min_columns: In how many columns two recordings must share a word. Chance collisions of
            different columns are independent; those of different moments are not, where a camera
            stands still.
    """
    hits = [_collisions(words[:, column], recordings, videos) for column in range(words.shape[1])]
    columns = np.repeat(np.arange(len(hits)), [len(each) for each in hits])
    rows = np.concatenate([np.zeros((0, 2), np.int64), *hits])
    owners = recordings[rows]
    order = np.lexsort((columns, owners[:, 1], owners[:, 0]))
    rows, owners, columns = rows[order], owners[order], columns[order]
    is_new = np.append(True, (owners[1:] != owners[:-1]).any(1))[: len(owners)]
    pair = np.cumsum(is_new) - 1
    is_new_column = is_new | np.append(True, columns[1:] != columns[:-1])[: len(owners)]
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
    ordered = column[order]
    equals_next = ordered[1:] == ordered[:-1]
    shared = np.append(equals_next, False) | np.append(False, equals_next)
    order = order[shared]
    # One row for each word and recording, because a still camera repeats its words.
    first = np.append(True, (column[order][1:] != column[order][:-1])
                      | (recordings[order][1:] != recordings[order][:-1]))  # fmt: skip
    order = order[first[: len(order)]]
    word, video = column[order], videos[recordings[order]]
    found = [np.zeros((0, 2), np.int64)]
    for distance in range(1, _NEIGHBOURS + 1):
        same = (word[distance:] == word[:-distance]) & (video[distance:] != video[:-distance])
        if not same.any() and not (word[distance:] == word[:-distance]).any():
            break
        at = np.flatnonzero(same)
        found.append(np.stack([order[at], order[at + distance]], axis=1))
    return np.concatenate(found)
