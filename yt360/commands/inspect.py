"""``yt360 inspect``: say of recordings whether they are what they seem."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from yt360.commands.dataset.build_shards import PROJECTIONS
from yt360.commands.exclusive_options import refuse
from yt360.commands.group import examples, renamed_options
from yt360.errors import BadItem, UserError
from yt360.terminal.output import echo, echo_json

if TYPE_CHECKING:
    from yt360.catalog import State
    from yt360.quality.inspect import Inspection


# What only files or only a catalog can be asked; given with the other, these stop the command.
_FOR_FILES = ("report", "as_json", "sound")
_FOR_CATALOGS = ("workers", "limit", "rejecting", "again", "lease_s", "timeout_s")


@examples(
    "yt360 inspect holiday.mp4 --report holiday.png",
    "yt360 inspect videos/*.webm --json > verdicts.json",
    "yt360 inspect footage",
    "yt360 inspect my.catalog --workers 8",
    "yt360 inspect my.catalog --again rejected --reject spatial-audio --reject projection",
)
@click.command("inspect")
@click.argument("paths", nargs=-1, required=True, metavar="INPUT... | CATALOG", type=Path)
@click.option("--report", type=Path, help="Draw the inspection of one file as a PNG.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, one object a file.")
@click.option("--sound", type=Path, help="File with the spatial sound of the one video given.")
@click.option("--audio-layout", metavar="NAME", help="State what the channels are; see probe.")
@click.option(
    "--projection",
    default="auto",
    show_default=True,
    type=click.Choice(PROJECTIONS),
    help="State the projection.",
)
@click.option(
    "--tagger",
    metavar="MODULE:NAME",
    help="An audio tagger of your own, installed or in the current folder; see the docs.",
)
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="Processes, for a catalog.",
)
@click.option("--limit", type=click.IntRange(1), help="Stop after so many videos, for a catalog.")
@click.option(
    "--reject",
    "rejecting",
    multiple=True,
    metavar="TEST",
    help="Tests that reject videos of a catalog.  [default: spatial-audio, projection, "
    "still-image, silence, picture, duration]",
)
@click.option(
    "--again",
    type=click.Choice(["accepted", "rejected", "failed"]),
    multiple=True,
    help="First put videos of a catalog in this state, as far as their media are here, back into "
    "the queue (repeatable).",
)
@click.option(
    "--lease-s",
    default=120.0,
    show_default=True,
    help="A worker that is silent for so many seconds loses its video of a catalog.",
)
@click.option(
    "--timeout-s",
    default=3600.0,
    show_default=True,
    help="A video of a catalog that takes longer is stopped, as if its process had died of it.",
)
@renamed_options({"--sound-layout": "--audio-layout"})
@click.pass_context
def command(
    context: click.Context,
    paths: tuple[Path, ...],
    report: Path | None,
    as_json: bool,
    sound: Path | None,
    again: tuple[State, ...],
    **options: Any,
) -> None:
    """Say whether recordings hold real spatial audio and a real picture, with the numbers.

    INPUT is a media file or a folder of them; videos and the files of the same name beside them
    (.m4a, .flac, ...), which may hold their spatial sound, are found and paired as by build-shards.
    With a catalog, every downloaded video is inspected and
    becomes accepted or rejected; stop it at any time, run it again, or run it several times at
    once. The exit code is 2 when a file cannot be read, and 1 when a process died of a video or
    hung in it.
    """
    from yt360.catalog.opening import is_catalog

    if any(is_catalog(path) for path in paths):
        if len(paths) > 1:
            raise UserError("give one catalog, or files, but not both")
        refuse(context, _FOR_FILES, "goes with files, not with a catalog")
        context.exit(1 if _inspect_catalog(paths[0], again, options) else 0)
    refuse(context, _FOR_CATALOGS, "goes with a catalog, not with files")
    if len(paths) > 1 and (report is not None or sound is not None):
        raise UserError("--report and --sound go with one file")
    stated = {name: options[name] for name in ("audio_layout", "projection", "tagger")}
    files = _files_in(paths, stated_sound=sound is not None or report is not None)
    failures = _inspect_files(files, sound, report, as_json, stated)
    context.exit(2 if failures else 0)


def _files_in(paths: tuple[Path, ...], *, stated_sound: bool) -> list[Path]:
    """Return files as they are, and the videos in folders."""
    from yt360.shards.builder.inputs import find_inputs

    files: list[Path] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        if stated_sound:
            raise UserError("--report and --sound go with one file, not with a folder")
        found = find_inputs([path])
        files += [item.video for item in found.videos]
        for item in found.rejected:
            echo(f"left out: {item.file}: {item.reason}: {item.detail}", err=True)
    return files


def _inspect_files(
    paths: list[Path],
    sound: Path | None,
    report: Path | None,
    as_json: bool,
    stated: dict[str, Any],
) -> int:
    """Inspect files; return how many could not be read."""
    from yt360.execution.isolation import IsolatedProcess
    from yt360.execution.local import WorkerPool, limited_pool

    # A tagger may need any time and memory.
    make_pool = WorkerPool if stated["tagger"] else limited_pool
    found: list[dict[str, Any]] = []
    failures = 0
    with IsolatedProcess(make_pool) as isolated:
        for path in paths:
            try:
                values, lines = isolated.call(path.name, _inspect, path, sound, report, **stated)
            except BadItem as error:
                failures += 1
                found.append({"path": str(path), "error": error.reason, "detail": error.detail})
                echo(f"error: {path}: {error}", err=True)
                continue
            found.append(values)
            if not as_json:
                echo(*lines)
    if as_json:
        echo_json(found)
    return failures


def _inspect(
    path: Path,
    sound: Path | None,
    report: Path | None,
    audio_layout: str | None,
    projection: str,
    tagger: str | None,
) -> tuple[dict[str, Any], list[str]]:
    """Inspect a file, and draw its report; return what was found as JSON values and as lines."""
    from yt360.quality.decision import decide
    from yt360.quality.inspect import InspectOptions, inspect_file
    from yt360.quality.report import write_report
    from yt360.quality.tagger import load_tagger

    options = InspectOptions(
        audio_layout=audio_layout,
        projection=projection,
        tagger=load_tagger(tagger) if tagger else None,
    )
    inspection = inspect_file(path, sound, options)
    if report is not None:
        write_report(inspection, report)
    decision = decide(inspection).describe()
    values = {
        "path": str(path),
        "audio_layout": inspection.layout,
        "audio_choice": "; ".join(inspection.audio_choices),
        "doubts": [asdict(doubt) for doubt in inspection.warnings],
        "decision": decision,
        "verdicts": [verdict.as_json() for verdict in inspection.verdicts.values()],
    }
    return values, list(_lines(path, inspection, decision))


def _lines(path: Path, inspection: Inspection, decision: str) -> Iterator[str]:
    stored = f"  (sound stored as {inspection.layout})" if inspection.layout else ""
    yield f"{path}{stored}"
    yield f"  {decision}"
    for choice in inspection.audio_choices:
        yield f"  {choice}"
    for doubt in inspection.warnings:
        yield f"  {'doubt':16} {doubt.code}: {doubt.detail}"
    for verdict in inspection.verdicts.values():
        sure = f"{verdict.confidence:4.0%}"
        answer = f"{verdict.outcome.value:6}  {sure} sure"
        yield f"  {verdict.name:16} {answer}  {verdict.reason}: {verdict.detail}"


def _inspect_catalog(path: Path, again: tuple[State, ...], options: dict[str, Any]) -> int:
    """Inspect a catalog; return how many processes died or were stopped."""
    from yt360.catalog import Catalog
    from yt360.quality.catalog_config import REJECTING, CatalogRunConfig
    from yt360.quality.catalog_run import inspect_again, inspect_catalog
    from yt360.quality.tagger import load_tagger
    from yt360.terminal.progress import Progress

    config = CatalogRunConfig(**{**options, "rejecting": options["rejecting"] or REJECTING})
    if config.tagger is not None:
        load_tagger(config.tagger)  # before anything is changed
    with Catalog(path) as catalog:
        for state in dict.fromkeys(again):
            echo(f"{inspect_again(catalog, state)} {state} videos are queued again")
        waiting = catalog.claims.waiting("inspect")
    with Progress("inspecting", waiting, "videos") as progress:
        report = inspect_catalog(path, config, lambda _: progress.advance(), progress.note)
    echo(*report.lines())
    if not report.counts and not report.crashes:
        echo(f"nothing to inspect in {path}: run `yt360 download {path}` first")
    if report.crashes:
        echo(f"error: worker processes that died or hung: {report.crashes}; see above", err=True)
    return report.crashes
