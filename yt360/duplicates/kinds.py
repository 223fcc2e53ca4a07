"""What two recordings can have in common. The command line imports it, so it imports little."""

from __future__ import annotations

from typing import Literal, get_args

Kind = Literal["same-footage", "same-place", "same-audio"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""``same-footage``: the same moment of the same recording. ``same-place``: the same camera position
at another time. ``same-audio``: the same audio with another video."""
Grouping = Literal["same-footage", "same-place"]
GROUPINGS: dict[Grouping, frozenset[Kind]] = {
    "same-footage": frozenset({"same-footage"}),
    "same-place": frozenset({"same-footage", "same-place"}),
}
"""The kinds of pairs that each grouping keeps in one split."""
