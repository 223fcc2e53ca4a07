"""Contents of the report as plain values, which the templates render as a page or as Markdown."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Value:
    """A number of ours.

    Attributes:
        text: The number.
        links: Anchors of the details of the records behind it.
        spread: Standard deviation over seeds; empty for one record.
        notes: What stands below it: interval, controls.
    """

    text: str
    links: tuple[str, ...] = ()
    spread: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Missing:
    """A missing number; the commands that fill it are at `anchor`, with this number in a list."""

    anchor: str
    number: int


@dataclass(frozen=True)
class Fill:
    """Commands that fill missing numbers, in order."""

    anchor: str
    what: str
    commands: tuple[str, ...]


Cell = Value | Missing | None


@dataclass(frozen=True)
class Line:
    """Numbers of ours in a row of the paper; `label` names the runs, `facts` what they share."""

    label: str
    facts: str
    cells: tuple[Cell, ...]

    @property
    def name(self) -> str:
        """Label and facts in one text."""
        return f"{self.label} ({self.facts})" if self.facts else self.label


@dataclass(frozen=True)
class Row:
    """A row: the paper's numbers as texts, empty if the paper has no such row, and ours."""

    label: str
    paper: tuple[str, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: Its anchor.
        title: Its title.
        caption: What the numbers are.
        groups: Headings over neighbouring columns, with their number; empty if there are none.
        columns: Headings.
        rows: The rows.
        fills: Commands that fill its missing numbers.
    """

    name: str
    title: str
    caption: str
    groups: tuple[tuple[str, int], ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    fills: tuple[Fill, ...] = ()

    @property
    def headings(self) -> tuple[str, ...]:
        """The columns with the headings over them."""
        over = [name for name, count in self.groups for _ in range(count)]
        return tuple(map(", ".join, zip(over, self.columns, strict=True))) if over else self.columns


@dataclass(frozen=True)
class Picture:
    """A picture as a data URI; without one, `caption` says why."""

    uri: str
    caption: str
    path: str


@dataclass(frozen=True)
class Grid:
    """A plain table of texts.

    Attributes:
        title: Its title.
        columns: Headings.
        rows: Texts.
        left_out: How many rows there are no texts of.
        shades: Of a matrix: a strength from 0 to 1 for each text.
        picture: Of a large matrix: a data URI.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int = 0
    shades: tuple[tuple[float, ...], ...] = ()
    picture: str = ""


@dataclass(frozen=True)
class Curve:
    """A curve of a chart; `path` is that of SVG, and `dots` are the points if they are few."""

    label: str
    path: str
    dots: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Chart:
    """A chart in a box of `avsa.evals.report.charts.WIDTH` x `HEIGHT`.

    Attributes:
        title: What is shown.
        curves: The curves.
        x_ticks: Positions and labels; likewise `y_ticks`.
        x_label: Label of the horizontal axis.
        marks: Positions and labels of vertical lines.
    """

    title: str
    curves: tuple[Curve, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    x_label: str
    marks: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True)
class Details:
    """A record in full.

    Attributes:
        anchor: Its anchor.
        title: Evaluation and run.
        facts: Names and values.
        command: The command that repeats it.
        metrics: Its numbers with interval and chance.
        notes: Its notes.
        charts: Curves of its tables of epochs.
        tables: Its other tables.
        pictures: Its pictures.
    """

    anchor: str
    title: str
    facts: tuple[tuple[str, str], ...]
    command: str
    metrics: Grid
    notes: tuple[str, ...]
    charts: tuple[Chart, ...]
    tables: tuple[Grid, ...]
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class DatasetDetails:
    """A dataset: its anchor, name and facts."""

    anchor: str
    title: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RunDetails:
    """A run: its facts, and the curves of its training."""

    title: str
    facts: tuple[tuple[str, str], ...]
    charts: tuple[Chart, ...]


@dataclass(frozen=True)
class Report:
    """Everything in the report."""

    title: str
    version: str
    made_at: str
    tables: tuple[Table, ...]
    further: tuple[Table, ...]
    runs: tuple[RunDetails, ...]
    datasets: tuple[DatasetDetails, ...]
    records: tuple[Details, ...] = field(default_factory=tuple)
