"""Build the report, and write it as a page or as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from avsa import __version__
from avsa.evals.report.charts import HEIGHT, WIDTH
from avsa.evals.report.contents import Cell, Missing, Report
from avsa.evals.report.details import dataset_table, record_details, run_details
from avsa.evals.report.layout import PAPER_TABLES
from avsa.evals.report.pictures import PictureBudget
from avsa.evals.report.runs import all_found, read_runs
from avsa.evals.report.tables import further_tables, paper_table
from yt360.files import atomic_write, check_page_path
from yt360.pages import embedded, page_environment
from yt360.terminal.text import markdown_code, printable

PAGE, MARKDOWN = (".html", ".htm"), (".md",)
_HERE = Path(__file__).parent
_LINKED = re.compile(r":(?=//)|w(?=ww\.)|(?<!\w)@")
"""Where GitHub would make a link of a plain text."""
_MARKUP = re.compile(r"([\\`*_{}\[\]<>|#~$&]|^[-+])")


def write_report(folders: Sequence[Path], *outputs: Path) -> Report:
    """Write the report of some runs.

    Args:
        folders: Folders of runs, or those given as ``--out`` to evaluations.
        outputs: Files; the suffix says whether Markdown is written (``.md``) or a page.

    Returns:
        What the report shows.

    Raises:
        UserError: A file cannot be written there, a folder holds nothing, or a record is damaged.
    """
    for path in outputs:
        check_page_path(path, (*PAGE, *MARKDOWN))
    report = build_report(folders)
    for path in outputs:
        text = markdown(report) if path.suffix.lower() in MARKDOWN else page(report)
        with atomic_write(path, "w") as file:
            file.write(text)
    return report


def build_report(folders: Sequence[Path]) -> Report:
    """Read runs and build the report; see `write_report`."""
    runs = read_runs(folders)
    found = all_found(runs)
    tables, placed = [], set[str]()
    for layout in PAPER_TABLES:
        table, anchors = paper_table(layout, runs)
        tables.append(table)
        placed |= anchors
    first, datasets = dataset_table(runs)
    pictures = PictureBudget()
    return Report(
        title=f"Evaluation of {len(runs)} run{'s' * (len(runs) != 1)}",
        version=__version__,
        made_at=datetime.now(UTC).isoformat(" ", timespec="minutes").removesuffix("+00:00"),
        tables=(first, *tables),
        further=further_tables([each for each in found if each.anchor not in placed], runs),
        runs=tuple(map(run_details, runs)),
        datasets=datasets,
        records=tuple(record_details(each, pictures) for each in found),
    )


def page(report: Report) -> str:
    """Return the report as an HTML page that needs no other file."""
    environment = page_environment(_HERE)
    environment.filters["printable"] = printable
    return environment.get_template("page.html").render(
        report=report, style=embedded(_HERE / "page.css"), width=WIDTH, height=HEIGHT
    )


def markdown(report: Report) -> str:
    """Return the report as Markdown; pictures are named by their files."""
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_escaped,
    )
    environment.filters.update(cell=_markdown_cell, raw=Markup)
    text = environment.get_template("report.md").render(
        report=report,
        code=lambda text: Markup(markdown_code(text)),
        row=lambda cells: Markup(f"| {' | '.join(map(_escaped, cells))} |"),
        rule=lambda columns: Markup("|---" * columns + "|"),
    )
    return re.sub(r"\n{3,}", "\n\n", text)


def _escaped(value: object) -> str:
    r"""Return text as Markdown that shows it as it is: ``*`` becomes ``\*``."""
    if isinstance(value, Markup):
        return value
    text = _MARKUP.sub(r"\\\1", printable(value))
    return _LINKED.sub(lambda match: f"&#{ord(match[0])};", text)


def _markdown_cell(cell: Cell) -> Markup:
    """Return a cell of a table in one line."""
    if cell is None:
        return Markup("")
    if isinstance(cell, Missing):
        return Markup(f"[missing {cell.number}](#{cell.anchor})")
    lines = [f"[{_escaped(cell.text)}](#{cell.links[0]}) {_escaped(cell.spread)}".rstrip()]
    if len(cell.links) > 1:
        links = " ".join(f"[{number}](#{link})" for number, link in enumerate(cell.links, 1))
        lines.append(f"n = {len(cell.links)}: {links}")
    return Markup("<br>".join([*lines, *map(_escaped, cell.notes)]))
