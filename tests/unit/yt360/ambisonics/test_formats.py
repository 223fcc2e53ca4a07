"""Formats of stored sound fields: each converts to the ambiX that it was made from."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers.errors import bad_item

from yt360.ambisonics.formats import (
    FUMA,
    HEAD_LOCKED,
    N3D,
    YOUTUBE_5_1,
    AmbisonicFormat,
    higher_order,
    sa3d_format,
    to_ambix,
)

FIELD = np.random.default_rng(0).standard_normal((4, 64))
W, Y, Z, X = FIELD
SILENCE = np.zeros_like(W)

# From the definition of each format.
STORED: dict[str, tuple[list[np.ndarray], AmbisonicFormat]] = {
    "fuma": ([W / math.sqrt(2), X, Y, Z], FUMA),
    "n3d": ([W, *(math.sqrt(3) * channel for channel in (Y, Z, X))], N3D),
    "youtube": ([X, Y, W, SILENCE, Z, SILENCE], YOUTUBE_5_1),
    "head-locked": ([W, Y, Z, X, Y, Y], HEAD_LOCKED),
    "third order": ([*FIELD, *12 * [Y]], higher_order(3)),
    "sa3d": ([X, W, Y, W, Z], sa3d_format(1, "acn", "sn3d", (3, 0, 1, 7, 2))),
}


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_format_converts_to_the_ambix_it_was_made_from(name: str, dtype: type) -> None:
    channels, stored_format = STORED[name]
    stored = np.stack(channels).astype(dtype)
    for leading in ((), (2, 3)):
        ambix = to_ambix(np.broadcast_to(stored, (*leading, *stored.shape)), stored_format)
        assert ambix.dtype == dtype
        np.testing.assert_allclose(ambix, np.broadcast_to(FIELD, (*leading, 4, 64)), rtol=1e-5)


def test_the_note_names_the_channels_that_a_higher_order_loses() -> None:
    assert "12 channels dropped" in higher_order(3).note
    assert higher_order(1).note == ""


def test_too_few_channels_are_refused() -> None:
    with bad_item("channel-count"):
        to_ambix(np.zeros((4, 8)), YOUTUBE_5_1)


@pytest.mark.parametrize(
    ("order", "ordering", "normalization", "channel_map"),
    [
        (1, "fuma", "sn3d", (0, 1, 2, 3)),
        (1, "acn", "maxn", (0, 1, 2, 3)),
        (0, "acn", "sn3d", (0,)),
        (1, "acn", "sn3d", (0, 1, 2, 5)),
    ],
)
def test_invalid_sa3d_boxes_are_refused(order, ordering, normalization, channel_map) -> None:
    with bad_item("sa3d"):
        sa3d_format(order, ordering, normalization, channel_map)
