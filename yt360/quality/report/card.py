"""One recording on the page."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yt360.ambisonics.energy_overlay import peak_deg
from yt360.errors import BadItem
from yt360.pages import page_environment
from yt360.quality.checks.base import Part
from yt360.quality.decision import decide
from yt360.quality.findings import Findings
from yt360.quality.inspect import Inspection
from yt360.quality.report.doubt import doubt_of
from yt360.quality.report.drawing import (
    PLANE_WAVE_DB,
    beam_gain_db,
    data_uri,
    overlay_png,
    timeline_png,
)
from yt360.quality.report.moments import Moment, read_moments
from yt360.quality.verdict import UNSURE_FROM, UNSURE_TO, Outcome, Verdict
from yt360.terminal.text import printable

_TIMELINE_AZIMUTHS, _TIMELINE_COLUMNS = 36, 320
_LEVEL_RANGE_DBFS = (-80.0, 0.0)
# A direction is marked if the beam there has at least this part of what a plane wave gives.
_LEAST_PEAK = 0.3
_FAILED = "failed"


@dataclass(frozen=True)
class Card:
    """A drawn recording.

    Attributes:
        state: ``"accepted"``, ``"unsure"``, ``"rejected"`` or ``"failed"``.
        doubt: Sort key; the largest comes first.
        html: The card.
    """

    state: str
    doubt: float
    html: str


def draw_card(
    path: str,
    findings: Findings,
    rejecting: Collection[str],
    parts: Sequence[Part] = (),
) -> Card:
    """Draw a recording.

    Args:
        path: Its path or id, for the reader.
        findings: Findings on it; an `Inspection` also gives the curves over time.
        rejecting: Names of the checks that decide.
        parts: Its files, from which pictures are read; empty if they are not here.
    """
    decision = decide(findings, rejecting)
    doubt = doubt_of(findings, rejecting)
    state = {Outcome.OK: "accepted", Outcome.UNSURE: "unsure", Outcome.NOT_OK: "rejected"}
    verdicts = [_verdict(it, it.name in rejecting) for it in findings.verdicts.values()]
    shown = state[decision.outcome]
    values = {
        **_name(path),
        "state": shown,
        "decision": decision.describe(),
        "doubt": doubt,
        "facts": list(_facts(findings, parts)),
        "warnings": findings.warnings,
        "verdicts": verdicts,
        # Checks that only advise often have nothing to say.
        "open_verdicts": [
            it
            for it in verdicts
            if it["state"] == "not-ok" or (it["state"] != "ok" and it["rejects"])
        ],
        "moments": [_moment(it) for it in read_moments(parts)],
        "timeline": _timeline(findings) if isinstance(findings, Inspection) else None,
    }
    return Card(shown, doubt.value, _render(values))


def draw_failure(path: str, error: BadItem) -> Card:
    """Draw a file that cannot be inspected, with its reason."""
    values: dict[str, Any] = {
        **_name(path),
        "state": _FAILED,
        "decision": f"not inspected: {error.reason}",
        "doubt": None,
        "failure": printable(error.detail),
        "facts": [],
        "warnings": (),
        "verdicts": [],
        "open_verdicts": [],
        "moments": [],
        "timeline": None,
    }
    return Card(_FAILED, -1.0, _render(values))


def _render(values: dict[str, Any]) -> str:
    return (
        page_environment(Path(__file__).parent)
        .get_template("card.html")
        .render(**values, unsure_from=UNSURE_FROM, unsure_to=UNSURE_TO)
    )


def _name(path: str) -> dict[str, str]:
    """Return the name and the folder of a file, which is relative to the current one if inside."""
    name, folder = Path(path).name, Path(path).parent
    if folder.is_relative_to(Path.cwd()):
        folder = folder.relative_to(Path.cwd())
    return {"name": printable(name), "folder": printable(folder) if folder.name else ""}


def _facts(findings: Findings, parts: Sequence[Part]) -> Iterator[str]:
    videos = [part.video for part in parts if part.video is not None]
    streams = [stream for part in parts for stream in (part.video or part.audio,) if stream]
    if streams:
        seconds = sum(stream.end_s - stream.start_s for stream in streams)
        sections = f" in {len(parts)} files" if len(parts) > 1 else ""
        yield f"{int(seconds // 60)}:{seconds % 60:04.1f}{sections}"
    if videos:
        width, height = videos[0].shown_size
        yield f"{width}×{height}, {videos[0].frame_rate_measured:.3g} fps, {videos[0].codec}"
    audio = [part.audio for part in parts if part.audio is not None]
    if audio:
        rate = audio[0].sample_rate_hz / 1000
        yield f"{audio[0].channels} channels, {rate:g} kHz, {audio[0].codec}"
    if findings.layout:
        yield f"audio stored as {findings.layout}"
    if isinstance(findings, Inspection):
        yield from findings.audio_choices


def _verdict(verdict: Verdict, rejects: bool) -> dict[str, Any]:
    return {
        "name": verdict.name,
        "state": verdict.outcome.value.replace(" ", "-"),
        "outcome": verdict.outcome.value,
        "probability": verdict.defect_probability,
        "reason": printable(verdict.reason),
        "detail": printable(verdict.detail),
        "rejects": rejects,
        "numbers": [(name, f"{value:.4g}") for name, value in verdict.numbers.items()],
    }


def _moment(moment: Moment) -> dict[str, Any]:
    values: dict[str, Any] = {
        "time": f"{int(moment.time_s // 60)}:{moment.time_s % 60:04.1f}",
        "picture": None if moment.jpeg is None else data_uri(moment.jpeg, "jpeg"),
        "is_panorama": moment.is_panorama,
        "level": None if moment.level_dbfs is None else max(moment.level_dbfs, -150.0),
        "overlay": None,
        "peak": None,
    }
    if moment.field is not None:
        gain_db = beam_gain_db(moment.field)
        values["overlay"] = data_uri(overlay_png(gain_db), "png")
        if gain_db.max() > _LEAST_PEAK * PLANE_WAVE_DB:
            azimuth, elevation = peak_deg(beam_gain_db(moment.field, 91, 181))
            values["peak"] = {
                "azimuth": azimuth,
                "elevation": elevation,
                "left": 50 - azimuth / 3.6,
                "top": 50 - elevation / 1.8,
            }
    return values


def _timeline(inspection: Inspection) -> dict[str, Any] | None:
    """Return the curves over time: sound by azimuth, level of W, and motion."""
    times, power = inspection.directions.energy_map(_TIMELINE_AZIMUTHS, _TIMELINE_COLUMNS)
    levels = [
        (part.start_s + second, level)
        for part in inspection.parts
        if part.levels is not None
        for second, level in enumerate(part.levels.levels_dbfs)
    ]
    streams = [(part, s) for part in inspection.parts for s in (part.video, part.audio) if s]
    end_s = max((part.start_s + stream.end_s for part, stream in streams), default=0.0)
    if end_s <= 0:
        return None
    low, high = _LEVEL_RANGE_DBFS
    heights = [(time, (np.clip(level, low, high) - low) / (high - low)) for time, level in levels]
    return {
        "end": f"{int(end_s // 60)}:{end_s % 60:04.1f}",
        "directions": data_uri(timeline_png(power), "png") if len(times) > 1 else None,
        "left": 100 * float(times[0]) / end_s if len(times) > 1 else 0,
        "width": 100 * (float(times[-1]) - float(times[0])) / end_s if len(times) > 1 else 0,
        "levels": _bars(np.array(heights), end_s, 1.0) if heights else "",
        "motion": _bars(_root(inspection.motion), end_s, 0.4) if len(inspection.motion) else "",
    }


def _root(motion: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return motion with the square root of the changed fraction, which shows small changes."""
    return np.stack([motion[:, 0], np.sqrt(motion[:, 1])], 1).astype(np.float64)


def _bars(points: NDArray[np.float64], end_s: float, width_s: float) -> str:
    """Return an SVG path of bars (time, height in [0, 1]) in a box of 1000 x 100.

    Bars that are narrower than a column of the box are merged to their maximum.
    """
    step_s = max(end_s / _TIMELINE_COLUMNS, width_s)
    columns = (points[:, 0] / step_s).astype(int)
    path = []
    for column in np.unique(columns):
        height = 100 * float(points[columns == column, 1].max())
        left = 1000 * column * step_s / end_s
        path.append(f"M{left:.0f} 100v{-height:.0f}h{1000 * step_s / end_s:.1f}V100z")
    return "".join(path)
