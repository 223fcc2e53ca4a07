"""Write the page and all that it shows as a static folder, for any web server or a bucket.

The files have the addresses that the server answers, so the page works the same, but nobody can
decide anything there. An export that was interrupted continues, and repeating one writes only what
has changed: the last file of each clip, `DONE`, says of which content and version it is.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from yt360.errors import BadItem, UserError
from yt360.explore.byte_ranges import PIECE_BYTES
from yt360.explore.site import PICTURES, Site, json_bytes
from yt360.explore.sources.source import AUDIO, VIDEO, Member
from yt360.files import atomic_write
from yt360.locks import exclusive_lock
from yt360.untrusted.files import read_limited

MARKER = "yt360-site.json"
"""File that says that a folder is an export, so that files in it may be replaced."""
DONE = "done.json"
_VERSION = 1
_MAX_DONE_BYTES = 10_000
_FILE = re.compile(r"[0-9a-z]{1,20}\.[a-z]{3,4}")


@dataclass
class ExportReport:
    """What an export wrote.

    Attributes:
        written: Clips that were written.
        unchanged: Clips that were there already.
        broken: Key of each clip of which something cannot be read -> the reason.
    """

    written: int
    unchanged: int
    broken: dict[str, str]


def export_site(
    site: Site, out: Path, page: Path, finished: Callable[[], None] = lambda: None
) -> ExportReport:
    """Write the page and its content to a folder.

    Args:
        site: The content.
        out: The folder: new, empty, or an export.
        page: Folder of the page's own files.
        finished: Called after each row.

    Raises:
        UserError: The folder holds something else, or another process writes to it.
        OSError: The disk is full or cannot be written.
    """
    _claim(out)
    with exclusive_lock(out / ".export.lock", out):
        report = ExportReport(0, 0, {})
        for row in range(site.num_rows):
            _export_row(site, row, out / "clips" / str(row), report)
            finished()
        _remove_rows(out / "clips", site.num_rows)
        site.layers.finish()
        chunks = out / "api" / "clips"
        chunks.mkdir(parents=True, exist_ok=True)
        for number in range(site.num_chunks):
            _write(chunks / f"{number}.json", site.chunk_json(number))
        _remove_chunks(chunks, site.num_chunks)
        _write(out / "api" / "site.json", site.site_json())
        for path in sorted(page.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                target = out / path.relative_to(page)
                target.parent.mkdir(parents=True, exist_ok=True)
                _write(target, path.read_bytes())
        return report


def _claim(out: Path) -> None:
    """Create the folder, or check that it is an export."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; name a folder for the export", key=out)
    if out.is_dir() and any(out.iterdir()) and not (out / MARKER).is_file():
        raise UserError(
            f"{out} holds something else than an export; name a new or an empty folder",
            code="conflict",
            key=out,
        )
    out.mkdir(parents=True, exist_ok=True)
    _write(out / MARKER, json_bytes({"format": "yt360-site", "format_version": _VERSION}))


def _export_row(site: Site, row: int, folder: Path, report: ExportReport) -> None:
    """Write the files of a row, unless they are there; what is broken is left out."""
    key = str(row)
    try:
        key = site.source.key(row)
        clip = _clip_json(site, row)
    except BadItem as error:
        report.broken[key] = error.detail
        return
    members: dict[str, Member | None] = {}
    for name in (VIDEO, AUDIO) if clip["media"] else ():
        try:
            members[name] = site.member(row, name)
        except BadItem as error:
            report.broken[key] = error.detail
    stamp = _stamp(clip, members)
    if _is_done(folder, stamp):
        report.unchanged += 1
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DONE).unlink(missing_ok=True)
    for write in _writes(site, row, folder, clip, members):
        try:
            write()
        except BadItem as error:
            report.broken[key] = error.detail
    if key not in report.broken:
        _write(folder / DONE, stamp)
    report.written += 1


def _writes(
    site: Site,
    row: int,
    folder: Path,
    clip: Mapping[str, Any],
    members: Mapping[str, Member | None],
) -> Iterator[Callable[[], object]]:
    """Yield a function for each part of a clip; a broken part does not stop the others."""
    for name, member in members.items():
        if member is not None:
            yield partial(_copy, folder / name, member)
    if clip["media"]:
        for name in (*PICTURES, *_layer_files(clip)):
            yield partial(_add, site, row, folder, name)
        for run in clip["runs"].values():
            yield partial(_add_run, site, row, folder, run["file"])
    yield partial(_add, site, row, folder, "clip.json")  # last: the page reads it first


def _layer_files(clip: Mapping[str, Any]) -> Iterator[str]:
    if clip["energy"] is not None:
        yield "energy.bin"
    if clip["labels"] is not None:
        yield from (f"labels/{number}.png" for number in range(len(clip["labels"]["times_s"])))


def _add_run(site: Site, row: int, folder: Path, name: str) -> None:
    """Write what a run sees of a clip, and the files that this names."""
    content = _add(site, row, folder, name)
    if content is None:
        return
    files = {text for text in _texts(json.loads(content)) if _FILE.fullmatch(text)}
    for each in sorted(files | {"gradcam.bin"}):
        _add(site, row, folder, f"{name.removesuffix('.json')}/{each}")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def _add(site: Site, row: int, folder: Path, name: str) -> bytes | None:
    file = site.clip_file(row, name)
    if file is None:
        return None
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, file[0])
    return file[0]


def _clip_json(site: Site, row: int) -> dict[str, Any]:
    file = site.clip_file(row, "clip.json")
    assert file is not None
    content: dict[str, Any] = json.loads(file[0])
    return content


def _stamp(clip: Mapping[str, Any], members: Mapping[str, Member | None]) -> bytes:
    """Return the content of `DONE` for a clip: what its files depend on."""
    tags = {name: member.tag for name, member in members.items() if member is not None}
    digest = hashlib.sha256(json_bytes({**clip, "tags": tags})).hexdigest()
    return json_bytes({"version": _VERSION, "content": digest})


def _is_done(folder: Path, stamp: bytes) -> bool:
    try:
        return read_limited(folder / DONE, _MAX_DONE_BYTES, inside=folder) == stamp
    except (OSError, ValueError):
        return False


def _copy(path: Path, member: Member) -> None:
    with atomic_write(path) as file:
        for start in range(0, member.size, PIECE_BYTES):
            file.write(member.read(start, min(start + PIECE_BYTES, member.size)))


def _write(path: Path, content: bytes) -> None:
    """Write a file unless it has this content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if path.read_bytes() == content:
            return
    except OSError:
        pass
    with atomic_write(path) as file:
        file.write(content)


def _remove_rows(clips: Path, number: int) -> None:
    """Remove the rows that a former content had beyond the last one."""
    for folder in clips.glob("[0-9]*"):
        if folder.name.isdigit() and int(folder.name) >= number and not folder.is_symlink():
            shutil.rmtree(folder)


def _remove_chunks(chunks: Path, number: int) -> None:
    for path in chunks.glob("[0-9]*.json"):
        if path.stem.isdigit() and int(path.stem) >= number:
            path.unlink()
