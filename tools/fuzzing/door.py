"""A door: one reader of untrusted data that is fuzzed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from yt360.errors import BadItem, UserError

Files = Mapping[str, bytes]
"""An input: path inside the folder of a trial -> content."""


FIFO, ENDLESS, ELSEWHERE, FOLDER = b"\0fifo", b"\0/dev/zero", b"\0/etc/hostname", b"\0folder"
"""Contents that stand for special files, which `write_files` creates."""


def write_files(folder: Path, files: Files) -> None:
    """Write an input into a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content == FIFO:
            os.mkfifo(path)
        elif content == FOLDER:
            path.mkdir()
        elif content in (ENDLESS, ELSEWHERE):
            path.symlink_to(content[1:].decode())
        else:
            path.write_bytes(content)


class Refused(Exception):
    """The product refused the input in one line without raising an exception."""


class Unclear(Exception):
    """The product printed text that no user should see."""


@dataclass(frozen=True, kw_only=True)
class Door:
    """A reader of one kind of untrusted data.

    Attributes:
        name: Unique name.
        valid: Returns valid inputs, which the product accepts.
        mutate: Creates an input from the valid ones; depends only on the generator.
        read: Reads the input in a folder, as the product does.
        refusals: Exceptions by which it refuses an input in one line.
        fraction: Fraction of the inputs of a run; small if one input takes long.
        limit_s: Time limit of one input.
        limit_mb: Memory limit of one input.
    """

    name: str
    valid: Callable[[], Sequence[Files]]
    mutate: Callable[[Random, Sequence[Files]], Files]
    read: Callable[[Path], object]
    refusals: tuple[type[BaseException], ...] = (UserError, BadItem)
    fraction: float = 1.0
    limit_s: float = 10.0
    limit_mb: int = 512

    def input(self, seed: int, number: int) -> Files:
        """Return an input; every tenth of the first hundred is a valid one, unchanged."""
        draw = Random(f"{seed}/{self.name}/{number}")
        valid = self.valid()
        if number % 10 == 0 and number < 100:
            return valid[number // 10 % len(valid)]
        return self.mutate(draw, valid)


def door_of(
    name: str,
    read: Callable[[Path], object],
    valid: Callable[[], Files],
    changes: Mapping[str, Callable[[Random, bytes], bytes]],
    found: bool = False,
    **options: Any,
) -> Door:
    """Return a door that reads a set of files, of which one at a time is changed.

    Args:
        name: As `Door`.
        read: Likewise.
        valid: Makes the files.
        changes: Path of a file -> what changes its content.
        found: The product finds the files in a folder, so that they may be no regular files, too.
            (A FIFO that a user names is another matter: reading it is what was asked for.)
        options: Further attributes of `Door`.
    """

    def mutate(draw: Random, inputs: Sequence[Files]) -> Files:
        path = draw.choice(list(changes))
        if found and draw.random() < 0.02:
            return {**inputs[0], path: draw.choice((FIFO, ENDLESS, ELSEWHERE, FOLDER))}
        return {**inputs[0], path: changes[path](draw, inputs[0][path])}

    return Door(name=name, valid=lambda: [valid()], mutate=mutate, read=read, **options)
