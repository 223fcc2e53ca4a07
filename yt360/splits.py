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

    The hash of the group, as a number in [0, 1), is compared with the fraction. A split does not
    depend on other videos, and a larger fraction only moves videos from train to test.

    Args:
        group: Group that must not cross the split: a video id or a channel.
        test_fraction: Expected fraction of groups in the test split, in [0, 1].
        salt: Different values give independent splits.
    """
    name = f"{salt}\x1f{group}".encode(errors="surrogatepass")
    position = int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big")
    return "test" if position < test_fraction * 2**64 else "train"
