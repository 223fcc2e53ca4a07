"""Time of each phase of a step, from a trace of torch.profiler in Chrome's format.

On a CPU, a phase takes the time of its ranges on the host. On a CUDA device, it takes the time in
which the device runs the kernels that the host queued in it; copies count where no kernel runs, and
the rest is idle time: that of a phase in which the host queues little, namely waiting for data and
logging, and else waiting for the host to queue work.

Times are in seconds. Format of the trace:
https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from avsa.profiling.phases import PREFIX, Phase

RESOLUTION_S = 1e-9
"""Times of traces are whole nanoseconds; what is less is an error of rounding."""
COPIES, IDLE, OTHER = "copies to the device", "device idle", "other"
# Phases of the host that explain why a device is idle.
_IDLE_PHASES = (Phase.DATA, Phase.LOG)
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
    ranges = [
        (_span(event), Phase(event["name"].removeprefix(PREFIX)))
        for event in events
        if event.get("cat") == "user_annotation" and event["name"].startswith(PREFIX)
    ]
    phases = innermost(ranges)
    if not phases:
        raise ValueError("the trace has no phase of a step")
    whole = Span(phases[0][0].start, phases[-1][0].end)
    kernels = [event for event in events if event.get("cat") == "kernel"]
    parts = _on_device(phases, kernels, events, whole) if kernels else _on_host(phases)
    wall_s = whole.end - whole.start
    parts[OTHER] += max(0.0, wall_s - sum(parts.values()))
    taken = {name: time for name, time in parts.items() if time >= RESOLUTION_S}
    return Times(wall_s, taken, bool(kernels))


def innermost(ranges: Iterable[tuple[Span, Phase]]) -> list[tuple[Span, Phase]]:
    """Return which phase the host is in, as spans without overlap, in order.

    A phase inside of another one interrupts it, except inside of `Phase.LOG`: what validation waits
    for is part of validation.

    Args:
        ranges: Phases one after another, or one inside of another.
    """
    pieces: list[tuple[Span, Phase]] = []
    open_phases: list[tuple[float, Phase]] = []
    reached = 0.0

    def advance(time: float) -> None:
        nonlocal reached
        if open_phases and time > reached:
            pieces.append((Span(reached, time), open_phases[-1][1]))
        reached = max(reached, time)

    def close_until(time: float) -> None:
        while open_phases and open_phases[-1][0] <= time:
            advance(open_phases[-1][0])
            open_phases.pop()

    for span, name in sorted(ranges, key=lambda item: (item[0].start, -item[0].end)):
        close_until(span.start)
        advance(span.start)
        logs = bool(open_phases) and open_phases[-1][1] == Phase.LOG
        open_phases.append((span.end, Phase.LOG if logs else name))
    close_until(math.inf)
    return pieces


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
    parts: dict[str, float] = defaultdict(float)
    for span, name in phases:
        parts[name] += span.end - span.start
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
        queued = number >= 0 and time is not None and time <= phases[number][0].end
        parts[phases[number][1] if queued else OTHER] += span.end - span.start
        covered = span.end
    busy = union(_span(kernel) for kernel in kernels)
    copies = union(_span(event) for event in events if event.get("cat") in _COPIES)
    free = gaps(_within(busy, whole), whole)
    parts[COPIES] = _overlap(free, copies)
    free = gaps(_within(union([*busy, *copies]), whole), whole)
    parts[IDLE] = sum(span.end - span.start for span in free)
    for phase in _IDLE_PHASES:
        idle = _overlap(free, [span for span, name in phases if name == phase])
        parts[phase] += idle
        parts[IDLE] -= idle
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
