"""Tables of results in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean, stdev

from avsa.evals.result import Metric, number_text, unit_text
from claims.claims import (
    AVC_BIN,
    AVSA_BIN,
    AVSA_BIN_1,
    AVSA_BIN_TRANSLATED,
    HITS,
    PIXELS,
    VIEWS,
    Claim,
)
from claims.curves import TARGETS, Curves, time_to
from claims.curves import VIEWS as PAIRED
from claims.ordering import Tested, overall
from claims.results import Measure, Results
from claims.variants import Variant

NONE = "–"
NOT_MEASURED = "Not measured."

MEASURES: tuple[tuple[str, Measure], ...] = (
    ("AVC-Bin, 1 view", Measure("avc-bin", "accuracy", {"views": 1})),
    ("AVC-Bin, 4 views", AVC_BIN),
    ("AVC-Bin, translated", Measure("avc-bin", "accuracy", {"translated": True})),
    ("AVSA-Bin, 1 view", AVSA_BIN_1),
    ("AVSA-Bin, 4 views", AVSA_BIN),
    ("AVSA-Bin, translated", AVSA_BIN_TRANSLATED),
    ("own over turned audio", Measure("avsa-bin", "similarity")),
    ("segmentation: pixels", PIXELS),
    ("mIoU", Measure("segmentation", "miou")),
    ("localized within 20°", HITS),
    ("error", Measure("localization", "error")),
    ("retrieval among views", VIEWS),
    ("among clips, 4 views", Measure("retrieval", "clips_video_to_audio_recall@1")),
)
"""Columns of the tables of variants."""

CONTROLS: tuple[tuple[str, Measure], ...] = (
    ("AVSA-Bin", AVSA_BIN),
    ("audio alone", Measure("avsa-bin", "audio_alone")),
    ("video alone", Measure("avsa-bin", "video_alone")),
    ("swapped audio", Measure("avsa-bin", "swapped")),
    ("localized", HITS),
    ("silent", Measure("localization", "hits_silent")),
    ("swapped", Measure("localization", "hits_swapped")),
    ("turned", Measure("localization", "hits_turned")),
    ("centre", Measure("localization", "hits_centre")),
    ("audio energy", Measure("localization", "hits_energy")),
)
"""Columns of the table of controls."""

PROBES: tuple[tuple[str, Measure], ...] = tuple(
    (f"{target}, {features}", Measure("probe", f"{target}_{features}_linear"))
    for target, features in (
        ("place", "video"),
        ("source", "video"),
        ("source", "audio"),
        ("visible_source", "both"),
        ("azimuth", "video"),
        ("azimuth", "audio"),
        ("azimuth", "both"),
        ("count", "audio"),
    )
)
"""Columns of the table of probes."""


def markdown(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = [f"| {' | '.join(heading)} |", f"|{'---|' * len(heading)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def mean_and_spread(metrics: Sequence[Metric]) -> str:
    """Return the mean over seeds, and the standard deviation if there are several."""
    if not metrics:
        return NONE
    unit, values = metrics[0].unit, [each.value for each in metrics]
    spread = f" ± {number_text(stdev(values), unit)}" if len(values) > 1 else ""
    return f"{number_text(fmean(values), unit)}{spread}{unit_text(unit).strip().replace('%', '')}"


def variant_table(
    results: Results,
    variants: Iterable[Variant],
    columns: Sequence[tuple[str, Measure]] = MEASURES,
) -> str:
    """Return a row for each variant with records; the last row is chance.

    Columns without any number are left out; without any, `NOT_MEASURED` is returned.
    """
    variants = [each for each in variants if results.has(each)]
    columns = [
        (title, measure)
        for title, measure in columns
        if any(results.metrics(each.name, measure) for each in variants)
    ]
    if not columns:
        return NOT_MEASURED
    rows = []
    for variant in variants:
        cells = (mean_and_spread(results.metrics(variant.name, each)) for _, each in columns)
        rows.append([f"`{variant.name}`: {variant.label}", *cells])
    rows.append(["chance", *(_chance(results, variants, each) for _, each in columns)])
    return markdown(["variant", *(title for title, _ in columns)], rows)


def _chance(results: Results, variants: Iterable[Variant], measure: Measure) -> str:
    for variant in variants:
        for metric in results.metrics(variant.name, measure):
            if metric.chance is not None:
                return number_text(metric.chance, metric.unit)
    return NONE


def claim_table(claims: Iterable[Claim], results: Results) -> str:
    """Return a row for each comparison, with the verdict of its claim.

    Claims without any number are left out; without any, `NOT_MEASURED` is returned.
    """
    rows = []
    for claim in claims:
        tested = [each.test(results) for each in claim.comparisons]
        if all(each.difference is None for each in tested):
            continue
        title, verdict = claim.text, f"**{overall(tested)}**"
        for each in tested:
            rows.append([title, verdict, *_comparison_cells(each)])
            title = verdict = ""
    if not rows:
        return NOT_MEASURED
    heading = ("claim", "", "difference", "number", "points (95 %)", "by seed", "p", "")
    return markdown(heading, rows)


def _comparison_cells(tested: Tested) -> list[str]:
    comparison, found = tested.comparison, tested.difference
    number = str(comparison.terms[0][2])
    if found is None:
        return [comparison.title, number, NONE, NONE, NONE, tested.verdict]
    interval = ""
    if found.low is not None and found.high is not None:
        interval = f" ({_points(found.low)} to {_points(found.high)})"
    seeds = ", ".join(map(_points, found.by_seed))
    p_value = f"{found.p_value(-comparison.margin):.3f}"
    return [
        comparison.title, number, _points(found.value) + interval, seeds, p_value, tested.verdict,
    ]  # fmt: skip


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"


def learning_table(curves: Curves, variants: Iterable[Variant]) -> str:
    """Return the thousands of clips and the minutes to reach accuracies, mean over seeds."""
    rows = []
    for variant in variants:
        runs = [points for (name, _), points in curves.items() if name == variant.name]
        if not any(each.values.get(PAIRED) for run in runs for each in run):
            continue
        cells = []
        for target in TARGETS:
            reached = [found for run in runs if (found := time_to(run, target)) is not None]
            if len(reached) < len(runs):
                cells.append(f"{len(reached)} of {len(runs)} runs" if reached else "not reached")
                continue
            clips = fmean(each.clips for each in reached) / 1000
            cells.append(f"{clips:.1f}k clips, {fmean(e.minutes for e in reached):.1f} min")
        last = [run[-1] for run in runs if run]
        final = [Metric(value=each.values[PAIRED]) for each in last if PAIRED in each.values]
        cells.append(mean_and_spread(final))
        cells.append(f"{fmean(each.minutes for each in last):.1f}")
        rows.append([f"`{variant.name}`: {variant.label}", *cells])
    heading = ("variant", *(f"{target:.0%}" for target in TARGETS), "at the end", "minutes in all")
    return markdown(heading, rows)
