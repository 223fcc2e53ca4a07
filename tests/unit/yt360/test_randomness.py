"""Keyed randomness is a pure function of its key."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest

from yt360.randomness import keyed_generator, keyed_uniform, philox


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


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [  # The known answers that Random123, the library of the authors of Philox, is tested with.
        (
            (0, 0, 0, 0),
            (0, 0),
            (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
        ),
        (
            (0xFFFFFFFF,) * 4,
            (0xFFFFFFFF,) * 2,
            (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
        ),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_published_answers(counter, key, words):
    counters = np.array([counter, (1, 2, 3, 4)], dtype=np.uint64).T
    got = philox(counters, np.array(key, dtype=np.uint32))
    assert got.shape == (4, 2) and tuple(got[:, 0]) == words


def test_a_position_alone_has_the_numbers_that_it_has_in_a_batch():
    positions = [5, 0, 2**40, 5, 17, -3]
    batch = keyed_uniform(1, 2, "views", positions=positions, count=7)
    assert batch.shape == (6, 7) and batch.dtype == np.float64
    for position, row in zip(positions, batch, strict=True):
        alone = keyed_uniform(1, 2, "views", positions=[position], count=7)
        assert np.array_equal(alone[0], row)


def test_more_numbers_of_a_position_begin_with_fewer():
    most = keyed_uniform("x", positions=np.arange(3), count=9)
    for count in range(9):
        assert np.array_equal(
            keyed_uniform("x", positions=np.arange(3), count=count), most[:, :count]
        )


def test_uniform_numbers_of_keys_and_positions_are_uniform_and_independent():
    keys = [(0, "views"), (1, "views"), (0, "moments"), ("0", "views")]
    drawn = np.stack([keyed_uniform(*key, positions=np.arange(40), count=500) for key in keys])
    assert drawn.min() >= 0 and drawn.max() < 1
    histogram = np.histogram(drawn, 20, (0, 1))[0]
    expected = drawn.size / 20
    assert ((histogram - expected) ** 2 / expected).sum() < 45  # chi-squared, 19 degrees: p = 7e-4
    rows = drawn.reshape(160, 500)
    for numbers in (rows, rows.reshape(4, 40, 500).swapaxes(1, 2).reshape(-1, 40)):
        correlation = np.corrcoef(numbers[:500]) - np.eye(min(len(numbers), 500))
        limit = 6 / math.sqrt(numbers.shape[1])
        assert np.abs(correlation).max() < limit


def test_the_numbers_of_a_key_never_change():
    drawn = keyed_uniform(3, "views", positions=[7, 8], count=2)
    expected = [
        [0.19258751643638272, 0.3017513447814305],
        [0.47920738706969224, 0.11816825487849936],
    ]
    assert drawn.tolist() == expected
