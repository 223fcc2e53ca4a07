"""Time of each phase of a step, from a trace of torch.profiler in Chrome's format.

On a CPU, a phase takes the time of its ranges on the host. On a CUDA device, it takes the time in
which the device runs the kernels that the host queued in it; copies count where no kernel runs, and
the rest is idle time: waiting for data where the host does, else for the host to queue work.

Times are in seconds. Format of the trace:
https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from avsa.profiling.phases import PREFIX, Phase

COPIES, IDLE, OTHER = "copies to the device", "device idle", "other"
_COPIES = ("gpu_memcpy", "gpu_memset")


class Span(NamedTuple):
    """An interval of time."""

    start: float
    end: float


@dataclass(frozen=True)
class Times:
    """How long the parts of the profiled steps took.

    Attributes:
        wall_s: From the first phase to the end of the last one.
        parts: Seconds of each part that takes any; they add up to `wall_s`.
        on_device: Whether they are times of a CUDA device.
    """

    wall_s: float
    parts: dict[str, float]
    on_device: bool

    def share(self, part: str) -> float:
        """Return a part as a fraction of the whole."""
        return self.parts.get(part, 0.0) / self.wall_s


def part_times(events: Sequence[dict[str, Any]]) -> Times:
    """Return the time of each part, from the list ``traceEvents`` of a trace.

    Raises:
        ValueError: The trace has no phase of a step.
    """
    phases = sorted(
        (_span(event), Phase(event["name"].removeprefix(PREFIX)))
        for event in events
        if event.get("cat") == "user_annotation" and event["name"].startswith(PREFIX)
    )
    if not phases:
        raise ValueError("the trace has no phase of a step")
    whole = Span(phases[0][0].start, max(span.end for span, _ in phases))
    kernels = [event for event in events if event.get("cat") == "kernel"]
    parts = _on_device(phases, kernels, events, whole) if kernels else _on_host(phases)
    wall_s = whole.end - whole.start
    parts[OTHER] += max(0.0, wall_s - sum(parts.values()))
    return Times(wall_s, {name: time for name, time in parts.items() if time > 0}, bool(kernels))


def device_gaps(events: Sequence[dict[str, Any]]) -> list[Span]:
    """Return when a CUDA device ran no kernel, between the first one and the last one."""
    busy = union(_span(event) for event in events if event.get("cat") == "kernel")
    return gaps(busy, Span(busy[0].start, busy[-1].end)) if busy else []


def union(spans: Iterable[Span]) -> list[Span]:
    """Return the spans that cover the same time without overlap, in order."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(end, merged[-1].end))
        else:
            merged.append(Span(start, end))
    return merged


def gaps(spans: Sequence[Span], whole: Span) -> list[Span]:
    """Return the time of `whole` that ordered spans without overlap leave uncovered."""
    edges = [whole.start, *(edge for span in spans for edge in span), whole.end]
    return [
        Span(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end
    ]


def _on_host(phases: Sequence[tuple[Span, Phase]]) -> dict[str, float]:
    """Return the time of each phase without that of the phases inside it."""
    parts: dict[str, float] = defaultdict(float)
    open_phases: list[tuple[Span, Phase]] = []
    for span, name in phases:
        while open_phases and open_phases[-1][0].end <= span.start:
            open_phases.pop()
        if open_phases:
            parts[open_phases[-1][1]] -= span.end - span.start
        parts[name] += span.end - span.start
        open_phases.append((span, name))
    return parts


def _on_device(
    phases: Sequence[tuple[Span, Phase]],
    kernels: Sequence[dict[str, Any]],
    events: Sequence[dict[str, Any]],
    whole: Span,
) -> dict[str, float]:
    queued_at = {
        event["args"]["correlation"]: event["ts"] / 1e6
        for event in events
        if event.get("cat") in ("cuda_runtime", "cuda_driver") and "correlation" in event["args"]
    }
    starts = [span.start for span, _ in phases]
    parts: dict[str, float] = defaultdict(float)
    covered = whole.start
    for span, kernel in sorted(((_span(kernel), kernel) for kernel in kernels), key=_first):
        span = Span(max(span.start, covered), min(span.end, whole.end))
        if span.end <= span.start:
            continue  # another stream's kernel covers it, or it is not of these steps
        time = queued_at.get(kernel["args"].get("correlation"))
        number = -1 if time is None else bisect_right(starts, time) - 1
        parts[phases[number][1] if number >= 0 else OTHER] += span.end - span.start
        covered = span.end
    busy = union(_span(kernel) for kernel in kernels)
    copies = union(_span(event) for event in events if event.get("cat") in _COPIES)
    free = gaps(_within(busy, whole), whole)
    parts[COPIES] = _overlap(free, copies)
    free = gaps(_within(union([*busy, *copies]), whole), whole)
    waiting = _overlap(free, union(span for span, name in phases if name == Phase.DATA))
    parts[Phase.DATA] += waiting
    parts[IDLE] = sum(span.end - span.start for span in free) - waiting
    return parts


def _within(spans: Sequence[Span], whole: Span) -> list[Span]:
    clipped = (Span(max(start, whole.start), min(end, whole.end)) for start, end in spans)
    return [span for span in clipped if span.start < span.end]


def _overlap(spans: Sequence[Span], others: Sequence[Span]) -> float:
    """Return the time that two ordered lists of spans without overlap have in common."""
    total, first = 0.0, 0
    for start, end in spans:
        while first < len(others) and others[first].end <= start:
            first += 1
        for other in others[first:]:
            if other.start >= end:
                break
            total += min(end, other.end) - max(start, other.start)
    return total


def _span(event: dict[str, Any]) -> Span:
    return Span(event["ts"] / 1e6, (event["ts"] + event["dur"]) / 1e6)


def _first(pair: tuple[Span, dict[str, Any]]) -> Span:
    return pair[0]
