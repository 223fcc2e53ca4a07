"""Put records into the layout of the paper's tables, and the others into tables of their own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cache
from pathlib import PurePath

from avsa.config.recipe import load_config
from avsa.evals import EVALUATIONS
from avsa.evals.report.approach import Approach, approach_of_recipe
from avsa.evals.report.contents import Cell, Line, Row, Table
from avsa.evals.report.fills import DATASET, Gaps, Target, target_of, target_of_run
from avsa.evals.report.layout import PAPER_TABLES, PaperTable, Settings
from avsa.evals.report.runs import Found, Run
from avsa.evals.report.series import average, changed_options, series_of
from avsa.evals.result import PATH, TEST_PATH
from yt360.config import to_mapping

PAPER_KINDS = frozenset(column.kind for table in PAPER_TABLES for column in table.columns)
"""Evaluations that a table of the paper shows."""
MAX_NAMED = 3
"""Runs that are named in a line; of more, the number is given."""


def paper_table(layout: PaperTable, runs: Sequence[Run]) -> tuple[Table, set[str]]:
    """Return a table of the paper with our numbers, and the anchors of the records in it."""
    placed: dict[str, list[Found]] = {label: [] for label in layout.paper}
    waiting: dict[str, list[Run]] = {}
    for run in runs:
        for found in run.found:
            record = found.record
            if any(column.takes(record.kind, record.settings) for column in layout.columns):
                label = layout.row_of(found.approach, record.settings)
                placed.setdefault(label, []).append(found)
        home = layout.row_of(run.approach, layout.options_of(run.approach))
        if run.recipe and not any(each in run.found for each in placed.get(home, ())):
            waiting.setdefault(home, []).append(run)
    gaps = Gaps(layout.name)
    rows = []
    for label in dict.fromkeys([*placed, *waiting]):
        row = _RowBuilder(layout, label, gaps)
        series = series_of(placed.get(label, ()), layout.coordinates, one_data=layout.one_data)
        lines = [row.of_series(each) for each in series]
        lines += [row.of_run(run) for run in waiting.get(label, ())]
        paper = tuple(
            "–" if each is None else f"{each:.2f}" for each in layout.paper.get(label, ())
        )
        rows.append(Row(label, paper, tuple(lines or [row.of_nothing(runs)])))
    groups = [column.group for column in layout.columns]
    table = Table(
        name=layout.name,
        title=layout.title,
        caption=layout.caption,
        groups=tuple((name, groups.count(name)) for name in dict.fromkeys(groups)),
        columns=tuple(column.label for column in layout.columns),
        rows=tuple(rows),
        fills=gaps.fills(),
    )
    return table, {each.anchor for found in placed.values() for each in found}


class _RowBuilder:
    """Builds the lines of a row.

    Args:
        layout: The table.
        label: The row.
        gaps: Receives what is missing.
    """

    def __init__(self, layout: PaperTable, label: str, gaps: Gaps) -> None:
        self.layout, self.label, self.gaps = layout, label, gaps
        self.paper = layout.paper.get(label)

    def of_series(self, series: Sequence[Found]) -> Line:
        """Return the line of records that differ by seeds and columns."""
        first = series[0]
        given = first.record.settings
        options = {name: given[name] for name in self.layout.row_options if name in given}
        targets = list(dict.fromkeys(map(target_of, series)))
        label, facts = _described(series, self.layout.coordinates)
        cells = self._cells(series, targets, options, first.approach.translates)
        return Line(label, facts, cells)

    def of_run(self, run: Run) -> Line:
        """Return the line of a run without records."""
        options = self.layout.options_of(run.approach)
        cells = self._cells((), [target_of_run(run)], options, run.approach.translates)
        return Line(str(run.folder), "", cells)

    def of_nothing(self, runs: Sequence[Run]) -> Line:
        """Return the line of a row of the paper that has no numbers of ours.

        Args:
            runs: All runs, one of which may be of the recipe of the row.
        """
        source = self.layout.sources[self.label]
        if source.word:
            targets = [Target(source.word, DATASET, out=f"runs/{source.word}")]
        else:
            approach = _approach_of(source.recipe)
            targets = [
                target_of_run(run) for run in runs if run.recipe and run.approach == approach
            ]
        if not targets:
            targets = [Target(f"runs/{source.recipe}", DATASET, recipe=source.recipe)]
            self.gaps.add_training(f"{self.label}, training", targets[0])
        return Line("ours", "", self._cells((), targets, source.options, translates=True))

    def _cells(
        self,
        series: Sequence[Found],
        targets: Sequence[Target],
        options: Settings,
        translates: bool,
    ) -> tuple[Cell, ...]:
        cells: list[Cell] = []
        for number, column in enumerate(self.layout.columns):
            found = [
                each for each in series if column.takes(each.record.kind, each.record.settings)
            ]
            if found:
                cells.append(average(found, column.metric, column.beside, unit=False))
            elif self._is_wanted(number, translates):
                what = f"{self.label}, {column.group}, {column.label}"
                given = {**column.options, **options}
                cells.append(self.gaps.add(what, targets, column.kind, given))
            else:
                cells.append(None)
        return tuple(cells)

    def _is_wanted(self, number: int, translates: bool) -> bool:
        """Return whether a number can be had, and the paper has one if it has the row."""
        if self.paper is not None:
            return self.paper[number] is not None
        return translates or not self.layout.columns[number].needs_translation


@cache
def _approach_of(recipe: str) -> Approach:
    return approach_of_recipe(to_mapping(load_config(recipe)))


def further_tables(found: Iterable[Found], runs: Sequence[Run]) -> tuple[Table, ...]:
    """Return a table for each evaluation of records that are in no table of the paper.

    Rows are metrics, columns are series of records that have some. An evaluation of the registry
    that no table of the paper shows is listed also without records, with the commands that carry it
    out.

    Args:
        found: The records.
        runs: All runs.
    """
    by_kind: dict[str, list[Found]] = {name: [] for name in EVALUATIONS if name not in PAPER_KINDS}
    for each in found:
        by_kind.setdefault(each.record.kind, []).append(each)
    tables = (
        _further_table(f"further-{number}", kind, members, runs)
        for number, (kind, members) in enumerate(by_kind.items(), 1)
    )
    return tuple(table for table in tables if table.rows or table.fills)


def _further_table(name: str, kind: str, found: Sequence[Found], runs: Sequence[Run]) -> Table:
    series = series_of([each for each in found if each.record.result.metrics])
    gaps = Gaps(name)
    rows = []
    metrics = list(dict.fromkeys(name for each in found for name in each.record.result.metrics))
    controls = {each: _controls_of(each, metrics) for each in metrics}
    beside = {control for each in controls.values() for control in each}
    for metric in (each for each in metrics if each not in beside):
        cells = tuple(
            average(members, metric, controls[metric], unit=True)
            if any(metric in each.record.result.metrics for each in members)
            else None
            for members in series
        )
        rows.append(Row(metric.replace("_", " "), (), (Line("", "", cells),)))
    if kind in EVALUATIONS:
        for run in runs:
            if run.recipe and not any(each.record.kind == kind for each in run.found):
                gaps.add(str(run.folder), [target_of_run(run)], kind, {})
    return Table(
        name=name,
        title=kind,
        caption=EVALUATIONS[kind].help if kind in EVALUATIONS else "",
        groups=(),
        columns=tuple(" · ".join(filter(None, _described(each, ()))) for each in series),
        rows=tuple(rows),
        fills=gaps.fills(),
    )


def _controls_of(metric: str, metrics: Sequence[str]) -> dict[str, str]:
    """Return the labels of metrics named after another: ``hits_silent`` of ``hits``."""
    start = f"{metric}_"
    controls = [name for name in metrics if name.startswith(start)]
    return {name: name.removeprefix(start).replace("_", " ") for name in controls}


def _described(series: Sequence[Found], coordinates: Collection[str]) -> tuple[str, str]:
    """Return the runs of a series, and what they share: data, steps and options."""
    runs = list(dict.fromkeys(str(each.run) for each in series))
    label = ", ".join(runs) if len(runs) <= MAX_NAMED else f"{runs[0]} and {len(runs) - 1} more"
    first = series[0].record
    data = PurePath(first.data.get(PATH, "")).name
    if TEST_PATH in first.data:
        data += f", tested on {PurePath(first.data[TEST_PATH]).name}"
    step = f"step {first.subject.step:,}" if first.subject.step else ""
    options = [f"{key}={value}" for key, value in changed_options(series[0], coordinates).items()]
    return label, " · ".join(filter(None, [data, step, *options]))
