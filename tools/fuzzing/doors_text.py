"""Doors of names, addresses and text for terminals."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from fuzzing.door import Door, Files, Refused
from fuzzing.mutate import HOSTILE, mutate_text
from yt360.errors import UserError

_NAMES = ("clips-000000.tar", "kqAZkf5Odyw-00010", "Ein Video.mp4", "a.info.json")
_ADDRESSES = (
    "https://www.youtube.com/watch?v=kqAZkf5Odyw", "https://youtu.be/kqAZkf5Odyw?t=1",
    "https://m.youtube.com/shorts/kqAZkf5Odyw", "http://127.0.0.1:8000/a/b.mp4", "kqAZkf5Odyw",
    "http://[::1]:80/x", "http://user:word@example.org/", "UCaaaaaaaaaaaaaaaaaaaaaa",
)  # fmt: skip


def _door(name: str, read: Callable[[str], object], texts: Sequence[str]) -> Door:
    def mutate(draw: Random, inputs: Sequence[Files]) -> Files:
        if draw.random() < 0.2:
            text = draw.choice(HOSTILE)
        else:
            text = mutate_text(draw, draw.choice(inputs)["text"].decode())
        return {"text": text.encode(errors="surrogatepass")}

    return Door(
        name=name,
        valid=lambda: [{"text": text.encode()} for text in texts],
        mutate=mutate,
        read=lambda folder: read((folder / "text").read_bytes().decode(errors="surrogatepass")),
        refusals=(UserError, Refused),
    )


def _file_name(text: str) -> None:
    from yt360.untrusted.names import file_name, path_inside

    try:
        path = path_inside(Path("/folder"), file_name(text))
    except ValueError as error:
        raise Refused(str(error)) from error
    if path.parent != Path("/folder") or path.name != text:
        raise RuntimeError(f"{path} is not inside its folder")


def _address(text: str) -> None:
    """Ask every reader of ids and addresses; refused is what none of them takes."""
    from yt360.catalog.ids import AllowedSites, check_channel_id, check_video_id, id_of_url

    readers = (
        id_of_url,
        check_video_id,
        check_channel_id,
        AllowedSites(["http://127.0.0.1:8000/a/"]).check,
        lambda text: AllowedSites([text]),
    )
    refusals: list[UserError] = []
    for read in readers:
        try:
            read(text)
        except UserError as error:
            refusals.append(error)
    if len(refusals) == len(readers):
        raise refusals[0]


def _argument(text: str) -> None:
    from avsa.data.remote.mirror import as_url

    as_url(text)


def _printable(text: str) -> None:
    from yt360.terminal.text import printable

    shown = printable(text)
    odd = {
        each for each in shown if unicodedata.category(each) in ("Cc", "Cs") and each not in "\n\t"
    }
    if odd:
        raise RuntimeError(f"still there: {odd}")
    shown.encode()


def _key(text: str) -> None:
    from yt360.clips import parse_key
    from yt360.shards.format.schema import parse_shard_name

    parse_shard_name(text)
    try:
        parse_key(text)
    except ValueError:
        return


DOORS: Sequence[Door] = (
    _door("names of files", _file_name, _NAMES),
    _door("ids and addresses", _address, _ADDRESSES),
    _door("address of a dataset", _argument, _ADDRESSES),
    _door("keys and shard names", _key, _NAMES),
    _door("text for terminals", _printable, _NAMES),
)
