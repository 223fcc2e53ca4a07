"""``yt360 inspect``: run the quality checks on recordings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from yt360.commands.exclusive_options import refuse
from yt360.commands.executor_options import executor_options, workers_option
from yt360.commands.group import examples, renamed_options
from yt360.commands.inspect_catalog import inspect_videos, judge_again
from yt360.commands.inspect_page import echo_page, open_page
from yt360.commands.registry_options import EntryName, EntryOption, set_option
from yt360.errors import BadItem, UserError
from yt360.media.names import PROJECTIONS
from yt360.quality.checks import CHECKS
from yt360.terminal.output import echo, echo_json
from yt360.terminal.text import counted

if TYPE_CHECKING:
    from yt360.catalog import State
    from yt360.quality.inspect import Inspection
    from yt360.quality.report.card import Card
    from yt360.quality.report.page import ReportPage

# Options for files only and for catalogs only.
_FOR_FILES = ("as_json", "audio")
_FOR_CATALOGS = (
    "workers", "executor", "executor_config", "limit", "rejecting", "again", "lease_s", "timeout_s",
    "rejudge", "dry_run",
)  # fmt: skip
# Options that have no effect on stored measurements.
_FOR_DECODING = (
    "workers", "executor", "executor_config", "limit", "again", "lease_s", "timeout_s",
    "audio_layout", "projection",
)  # fmt: skip


@examples(
    "yt360 inspect footage --report report.html",
    "yt360 inspect videos/*.webm --json > verdicts.json",
    "yt360 inspect my.catalog --workers 8 --report report.html",
    "yt360 inspect my.catalog --again rejected --reject spatial-audio --reject projection",
    "yt360 inspect my.catalog --rejudge --set still-image.moving_area=0.003 --dry-run",
)
@click.command("inspect")
@click.argument("paths", nargs=-1, required=True, metavar="INPUT... | CATALOG", type=Path)
@click.option(
    "--report",
    type=Path,
    help="Write one HTML page of all recordings with frames, directions of the audio, verdicts and "
    "measurements; the most doubtful decisions come first.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, one object per file.")
@click.option("--audio", type=Path, help="File with the spatial audio of the one video given.")
@click.option("--audio-layout", metavar="NAME", help="Audio layout of the inputs; see probe.")
@click.option(
    "--projection",
    default="auto",
    show_default=True,
    type=click.Choice(PROJECTIONS),
    help="Projection of the inputs.",
)
@set_option(
    "Set an option of a check, as CHECK.OPTION=VALUE; repeatable.",
    example="still-image.moving_area=0.003",
)
@click.option(
    "--tagger",
    metavar="MODULE:NAME",
    help="Audio tagger for post-production, installed or in the current folder: short for "
    "--set post-production.tagger=MODULE:NAME.",
)
@workers_option
@executor_options
@click.option("--limit", type=click.IntRange(1), help="Maximum number of videos (for a catalog).")
@click.option(
    "--reject",
    "rejecting",
    cls=EntryOption,
    type=EntryName(CHECKS),
    multiple=True,
    help="Checks that reject videos instead of the default ones (for a catalog; repeatable).  "
    "[default: spatial-audio, "
    "silence, projection, still-image, picture, duration, and checks of plugins that say so]",
)
@click.option(
    "--again",
    type=click.Choice(["accepted", "rejected", "failed"]),
    multiple=True,
    help="Queue videos in this state again if their media are here (for a catalog; repeatable).",
)
@click.option(
    "--rejudge",
    is_flag=True,
    help="Apply --set and --reject to the stored measurements of all inspected videos (of a "
    "catalog), without decoding. Verdicts, kept clips and states change; options of former runs "
    "are not remembered.",
)
@click.option("--dry-run", is_flag=True, help="With --rejudge: only print what would change.")
@click.option(
    "--lease-s",
    default=120.0,
    show_default=True,
    help="Seconds after which a worker that does not respond loses its video (for a catalog).",
)
@click.option(
    "--timeout-s",
    default=3600.0,
    show_default=True,
    help="Seconds after which a video is stopped, as if its process had died (for a catalog).",
)
@renamed_options({"--sound": "--audio", "--sound-layout": "--audio-layout"})
@click.pass_context
def command(
    context: click.Context,
    paths: tuple[Path, ...],
    report: Path | None,
    as_json: bool,
    audio: Path | None,
    again: tuple[State, ...],
    rejudge: bool,
    dry_run: bool,
    settings: dict[str, str],
    tagger: str | None,
    **options: Any,
) -> None:
    """Check whether recordings contain real spatial audio and real 360° video.

    INPUT is a media file or a folder. Videos and the audio files of the same name next to them
    (.m4a, .flac, ...), which may contain the spatial audio, are paired as by build-shards.

    With a catalog, every downloaded video is inspected and becomes accepted or rejected. The
    command can be stopped at any time, run again, and run several times at once.

    The exit code is 2 if a file cannot be read, and 1 if a process died or hung.
    """
    from yt360.catalog.opening import is_catalog

    if tagger is not None:
        settings = {**settings, "post-production.tagger": tagger}
    if any(is_catalog(path) for path in paths):
        if len(paths) > 1:
            raise UserError("give one catalog or files, not both", "conflict")
        refuse(context, _FOR_FILES, "goes with files, not with a catalog")
        if rejudge:
            refuse(context, _FOR_DECODING, "has no effect on stored measurements")
            if dry_run:
                refuse(context, ("report",), "does not go with --dry-run")
            judge_again(paths[0], settings, options["rejecting"], report, dry_run)
            return
        refuse(context, ("dry_run",), "goes with --rejudge")
        died = inspect_videos(paths[0], again, report, {**options, "settings": settings})
        context.exit(1 if died else 0)
    refuse(context, _FOR_CATALOGS, "goes with a catalog, not with files")
    if audio is not None and (len(paths) > 1 or paths[0].is_dir()):
        raise UserError("--audio needs a single file", "conflict")
    stated = {name: options[name] for name in ("audio_layout", "projection")}
    with open_page(report, paths, settings) as page:
        failures = _inspect_files(paths, audio, page, as_json, settings, stated)
    echo_page(page, err=as_json)
    context.exit(2 if failures else 0)


def _files_in(paths: tuple[Path, ...]) -> tuple[list[Path], dict[str, BadItem]]:
    """Return files as they are and the videos in folders, and what is left out of folders."""
    from yt360.shards.builder.inputs.search import find_inputs

    files: list[Path] = []
    left_out: dict[str, BadItem] = {}
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        found = find_inputs([path])
        files += [item.video for item in found.videos]
        for item in found.rejected:
            left_out[str(path / item.file)] = BadItem(item.reason, item.detail)
            echo(f"left out: {item.file}: {item.reason}: {item.detail}", err=True)
    return files, left_out


def _inspect_files(
    paths: tuple[Path, ...],
    audio: Path | None,
    page: ReportPage | None,
    as_json: bool,
    settings: dict[str, str],
    stated: dict[str, Any],
) -> int:
    """Inspect files; return how many cannot be read."""
    from yt360.execution.isolation import IsolatedProcess
    from yt360.execution.local import WorkerPool, limited_pool
    from yt360.quality.configs import configure_checks, has_user_code

    make_pool = WorkerPool if has_user_code(configure_checks(settings)) else limited_pool
    files, left_out = _files_in(paths)
    _add_failures(page, left_out)
    found: list[dict[str, Any]] = []
    counts: Counter[str] = Counter()
    with IsolatedProcess(make_pool) as isolated:
        for path in files:
            try:
                inspected: _InspectedFile = isolated.call(
                    path.name, _inspect, path, audio, page is not None, settings, **stated
                )
            except BadItem as error:
                counts["unreadable"] += 1
                found.append({"path": str(path), "error": error.reason, "detail": error.detail})
                echo(f"error: {path}: {error}", err=True)
                _add_failures(page, {str(path): error})
                continue
            counts["accepted" if inspected.accepted else "rejected"] += 1
            found.append(inspected.values)
            if page is not None and inspected.card is not None:
                page.add(inspected.card)
            if not as_json:
                echo(*inspected.lines)
    if as_json:
        echo_json(found)
    elif len(files) > 1:
        states = ", ".join(f"{number} {state}" for state, number in counts.items())
        echo(f"{counted(len(files), 'recording')}: {states}")
    return counts["unreadable"]


def _add_failures(page: ReportPage | None, failures: dict[str, BadItem]) -> None:
    if page is None:
        return
    from yt360.quality.report.card import draw_failure

    for path, error in failures.items():
        page.add(draw_failure(path, error))


@dataclass(frozen=True)
class _InspectedFile:
    """The result of a file: as JSON values, as lines, and as a card of the page."""

    accepted: bool
    values: dict[str, Any]
    lines: tuple[str, ...]
    card: Card | None


def _inspect(
    path: Path,
    audio: Path | None,
    with_card: bool,
    settings: dict[str, str],
    audio_layout: str | None,
    projection: str,
) -> _InspectedFile:
    """Inspect a file, in a process of its own."""
    from yt360.quality.configs import configure_checks, rejecting_by_default
    from yt360.quality.decision import decide
    from yt360.quality.inspect import InspectOptions, inspect_file

    checks = configure_checks(settings)
    options = InspectOptions(audio_layout=audio_layout, projection=projection, checks=checks)
    inspection = inspect_file(path, audio, options)
    card = None
    if with_card:
        from yt360.quality.report.card import draw_card

        card = draw_card(str(path), inspection, rejecting_by_default(checks), inspection.parts)
    decision = decide(inspection)
    values = {
        "path": str(path),
        "audio_layout": inspection.layout,
        "audio_choice": "; ".join(inspection.audio_choices),
        "doubts": [asdict(warning) for warning in inspection.warnings],
        "decision": decision.describe(),
        "verdicts": [verdict.as_json() for verdict in inspection.verdicts.values()],
    }
    lines = tuple(_lines(path, inspection, decision.describe()))
    return _InspectedFile(not decision.against, values, lines, card)


def _lines(path: Path, inspection: Inspection, decision: str) -> Iterator[str]:
    stored = f"  (audio stored as {inspection.layout})" if inspection.layout else ""
    yield f"{path}{stored}"
    yield f"  {decision}"
    for choice in inspection.audio_choices:
        yield f"  {choice}"
    for warning in inspection.warnings:
        yield f"  {'warning':16} {warning.code}: {warning.detail}"
    for verdict in inspection.verdicts.values():
        sure = f"{verdict.confidence:4.0%}"
        answer = f"{verdict.outcome.value:6}  {sure} sure"
        yield f"  {verdict.name:16} {answer}  {verdict.reason}: {verdict.detail}"
