"""Train and test splits, assigned by hash so that adding videos does not move any other."""

from __future__ import annotations

import hashlib
from typing import Literal

Split = Literal["train", "test"]
SPLITS: tuple[Split, Split] = ("train", "test")

PAPER_TEST_FRACTION = 1000 / 5506
"""YT-360's released split: 1,000 test videos of 5,506."""


def split_of(group: str, test_fraction: float = PAPER_TEST_FRACTION, salt: str = "yt360") -> Split:
    """Return the split of every clip of a group of clips.

    A pure function of its arguments: the group's hash, read as a number in [0, 1), is compared
    with the fraction. A video does not move when others come or go, and a larger fraction only
    moves videos from train to test.

    Args:
        group: What must not cross the split: a video id, or a channel for splits by channel.
        test_fraction: Expected fraction of groups in the test split, in [0, 1].
        salt: Another value gives another, independent split.
    """
    name = f"{salt}\x1f{group}".encode(errors="surrogatepass")
    position = int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big")
    return "test" if position < test_fraction * 2**64 else "train"
