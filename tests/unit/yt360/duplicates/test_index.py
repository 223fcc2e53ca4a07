"""The index finds exactly the pairs that share words."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations

import numpy as np
import pytest

from yt360.duplicates.index import BITS, EXAMPLES, WORDS, find_candidates, hash_words


def literal(words, recordings, videos, min_columns) -> set[tuple[int, int]]:
    """Compare every row with every other one."""
    columns = defaultdict(set)
    for i, j in combinations(range(len(words)), 2):
        a, b = recordings[i], recordings[j]
        if videos[a] != videos[b]:
            columns[min(a, b), max(a, b)] |= set(np.flatnonzero(words[i] == words[j]))
    return {pair for pair, shared in columns.items() if len(shared) >= min_columns}


@pytest.mark.parametrize("min_columns", [1, 2, 3])
def test_pairs_are_those_of_a_literal_search(min_columns):
    draws = np.random.default_rng(min_columns)
    words = draws.integers(0, 40, (60, 4), dtype=np.uint32)
    recordings = np.sort(draws.integers(0, 12, 60))
    videos = np.arange(12) // 2
    found = find_candidates(words, recordings, videos, min_columns)
    pairs = [tuple(pair) for pair in found.pairs.tolist()]
    assert len(set(pairs)) == len(pairs)
    assert set(pairs) == literal(words, recordings, videos, min_columns)
    for pair, moments in zip(pairs, found.moments, strict=True):
        rows = moments[moments[:, 0] >= 0]
        assert 0 < len(rows) <= EXAMPLES
        assert {tuple(recordings[row]) for row in rows} == {pair}
        assert all((words[i] == words[j]).any() for i, j in rows)


def test_nothing_gives_nothing():
    found = find_candidates(np.zeros((0, 4), np.uint32), np.zeros(0, int), np.zeros(0, int))
    assert found.pairs.shape == (0, 2)


def test_a_word_that_very_many_share_links_all_of_them():
    count = 300
    found = find_candidates(np.zeros((count, 1), np.uint32), np.arange(count), np.arange(count), 1)
    assert len(found.pairs) < count * 40
    assert {tuple(pair) for pair in found.pairs.tolist()} >= {(n, n + 1) for n in range(count - 1)}


def test_bits_differ_as_often_as_the_angle_says():
    draws = np.random.default_rng(0)
    a = draws.standard_normal((500, 32))
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    across = draws.standard_normal((500, 32))
    across -= a * (a * across).sum(1, keepdims=True)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    angle = 0.3
    words = [hash_words(v) for v in (a, a * np.cos(angle) + across * np.sin(angle))]
    bits = np.unpackbits((words[0] ^ words[1]).view(np.uint8)).sum() / (500 * WORDS * BITS)
    assert bits == pytest.approx(angle / np.pi, rel=0.05)
