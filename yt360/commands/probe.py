"""``yt360 probe``: show the streams, projection and audio layout of media files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from yt360.commands.group import examples, renamed_options
from yt360.errors import BadItem
from yt360.media.names import AUDIO_LAYOUTS
from yt360.terminal.output import echo, echo_json


@examples("yt360 probe holiday.mp4", "yt360 probe --json videos/*.webm > facts.json")
@click.command("probe")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, one object per file.")
@click.option(
    "--audio-layout",
    type=click.Choice(AUDIO_LAYOUTS),
    help="Layout of the spatial audio.  [default: detected]",
)
@renamed_options({"--sound-layout": "--audio-layout"})
@click.pass_context
def command(
    context: click.Context, files: tuple[Path, ...], as_json: bool, audio_layout: str | None
) -> None:
    """Show the streams, times, projection and audio layout of media files, with the evidence.

    Declared values come from headers, measured values from reading the whole file. For a video,
    audio files of the same name in the same folder are read too, and the output shows which audio
    is used. The exit code is 2 if a file cannot be read as media.
    """
    from yt360.execution.isolation import IsolatedProcess

    found = []
    failures = 0
    with IsolatedProcess() as isolated:
        for path in files:
            try:
                values, lines = isolated.call(path.name, _probe, path, audio_layout)
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
    context.exit(2 if failures else 0)


def _probe(path: Path, audio_layout: str | None) -> tuple[dict[str, Any], list[str]]:
    """Return the description of a file as JSON values and as lines of text."""
    from yt360.media.audio.selection import select_audio
    from yt360.media.describe import as_values, describe
    from yt360.media.pairing import audio_files_beside

    choice = select_audio(path, audio_files_beside(path), audio_layout=audio_layout)
    return as_values(choice), describe(choice)
