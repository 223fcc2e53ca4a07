"""``yt360 inspect``: say of recordings whether they are what they seem."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from yt360.cli_group import examples
from yt360.commands.crawl_options import terminate_like_interrupt
from yt360.errors import BadItem, UserError, did_you_mean

if TYPE_CHECKING:
    from yt360.quality.inspect import Inspection, InspectOptions


@examples(
    "yt360 inspect holiday.mp4 --report holiday.png",
    "yt360 inspect videos/*.webm --json > verdicts.json",
    "yt360 inspect my.catalog --workers 8",
)
@click.command("inspect")
@click.argument("paths", nargs=-1, required=True, metavar="FILE... | CATALOG", type=Path)
@click.option("--report", type=Path, help="Draw the inspection of one file as a PNG.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, one object a file.")
@click.option("--sound", type=Path, help="File with the spatial sound of the one video given.")
@click.option("--sound-layout", metavar="NAME", help="State what the channels are; see probe.")
@click.option("--projection", default="auto", show_default=True, help="State the projection.")
@click.option("--tagger", metavar="MODULE:NAME", help="An audio tagger of your own; see the docs.")
@click.option("--workers", default=1, show_default=True, help="Processes, for a catalog.")
@click.option("--limit", type=int, help="Stop after so many videos, for a catalog.")
@click.option(
    "--reject",
    "rejecting",
    multiple=True,
    metavar="TEST",
    help="Tests that reject videos of a catalog.  [default: spatial-audio, projection, "
    "still-image, silence, picture, duration]",
)
@click.option(
    "--lease-s", default=120.0, show_default=True, help="A silent worker loses its video."
)
@click.pass_context
def command(
    context: click.Context,
    paths: tuple[Path, ...],
    report: Path | None,
    as_json: bool,
    sound: Path | None,
    sound_layout: str | None,
    projection: str,
    tagger: str | None,
    workers: int,
    limit: int | None,
    rejecting: tuple[str, ...],
    lease_s: float,
) -> None:
    """Say whether recordings hold real spatial audio and a real picture, with the numbers.

    A video takes the spatial sound of a file of the same name beside it (.m4a, .flac, ...) when it
    has none itself. With a catalog, every downloaded video is inspected and becomes accepted or
    rejected; stop it at any time, run it again, or run it several times at once. The exit code is
    2 when a file cannot be read, and 1 when a process died of a video.
    """
    from yt360.catalog.store import is_catalog

    if any(is_catalog(path) for path in paths):
        if len(paths) > 1:
            raise UserError("give one catalog, or files, but not both")
        crashes = _inspect_catalog(
            paths[0], workers, limit, rejecting, lease_s, sound_layout, tagger
        )
        context.exit(1 if crashes else 0)
    if len(paths) > 1 and (report is not None or sound is not None):
        raise UserError("--report and --sound go with one file")
    failures = _inspect_files(paths, sound, report, as_json, sound_layout, projection, tagger)
    context.exit(2 if failures else 0)


def _inspect_files(
    paths: tuple[Path, ...],
    sound: Path | None,
    report: Path | None,
    as_json: bool,
    sound_layout: str | None,
    projection: str,
    tagger: str | None,
) -> int:
    from yt360.quality.inspect import inspect_file
    from yt360.quality.report import write_report

    options = _options(sound_layout, projection, tagger)
    found: list[dict[str, Any]] = []
    failures = 0
    for path in paths:
        try:
            inspection = inspect_file(path, sound, options)
        except BadItem as error:
            failures += 1
            found.append({"path": str(path), "error": error.reason, "detail": error.detail})
            click.echo(f"error: {path}: {error}", err=True)
            continue
        verdicts = [verdict.as_json() for verdict in inspection.verdicts.values()]
        found.append({"path": str(path), "sound_layout": inspection.layout, "verdicts": verdicts})
        if not as_json:
            _print_verdicts(path, inspection)
        if report is not None:
            write_report(inspection, report)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    return failures


def _options(sound_layout: str | None, projection: str, tagger: str | None) -> InspectOptions:
    from yt360.quality.inspect import InspectOptions
    from yt360.quality.tagger import load_tagger

    return InspectOptions(
        sound_layout=sound_layout,
        projection=projection,
        tagger=load_tagger(tagger) if tagger else None,
    )


def _print_verdicts(path: Path, inspection: Inspection) -> None:
    click.echo(
        f"{path}" + (f"  (sound stored as {inspection.layout})" if inspection.layout else "")
    )
    for verdict in inspection.verdicts.values():
        sure = f"{verdict.confidence:4.0%}"
        answer = f"{verdict.outcome.value:6}  {sure} sure"
        click.echo(f"  {verdict.name:16} {answer}  {verdict.reason}: {verdict.detail}")


def _inspect_catalog(
    path: Path,
    workers: int,
    limit: int | None,
    rejecting: tuple[str, ...],
    lease_s: float,
    sound_layout: str | None,
    tagger: str | None,
) -> int:
    """Inspect a catalog; return how many processes died."""
    from yt360.catalog import Catalog
    from yt360.progress import Progress
    from yt360.quality.catalog_run import REJECTING, CatalogRunConfig, inspect_catalog

    known = (*REJECTING, "post-production", "clipping")
    for name in rejecting:
        if name not in known:
            raise UserError(f"unknown test {name!r}{did_you_mean(name, known)}")
    if workers < 1:
        raise UserError(f"--workers is {workers}; at least 1 is needed")
    config = CatalogRunConfig(
        workers=workers,
        rejecting=rejecting or REJECTING,
        lease_s=lease_s,
        limit=limit,
        sound_layout=sound_layout,
        tagger=tagger,
    )
    with Catalog(path) as catalog:
        waiting = catalog.claims.waiting("inspect")
    with terminate_like_interrupt(), Progress("inspecting", waiting, "videos") as progress:
        report = inspect_catalog(path, config, lambda _: progress.advance(), progress.note)
    for line in report.lines():
        click.echo(line)
    if not report.counts:
        click.echo(f"nothing to inspect in {path}: run `yt360 download {path}` first")
    if report.crashes:
        click.echo(f"error: {report.crashes} worker processes died, see above", err=True)
    return report.crashes
