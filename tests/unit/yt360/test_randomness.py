"""Keyed generators are pure functions of their keys."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np

from yt360.randomness import keyed_generator


def test_same_key_gives_the_same_draws_in_another_process():
    code = (
        "from yt360.randomness import keyed_generator as g; print(g(3, 'views', 7).integers(1e9))"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert int(other.stdout) == keyed_generator(3, "views", 7).integers(1e9)


def test_keys_that_differ_in_value_order_type_or_grouping_give_other_draws():
    keys = [
        (1, 2),
        (2, 1),
        (12,),
        (1, "2"),
        ("1", 2),
        (1, 2, 0),
        (-1, 2),
        (2**80, 1),
        ("1\x1fint:2",),
    ]
    draws = [keyed_generator(*key).integers(2**62) for key in keys]
    assert all(a != b for a, b in itertools.combinations(draws, 2))


def test_neighbouring_keys_are_uncorrelated():
    rows = np.stack([keyed_generator(0, step).standard_normal(2000) for step in range(20)])
    correlation = np.corrcoef(rows) - np.eye(20)
    assert np.abs(correlation).max() < 0.1
