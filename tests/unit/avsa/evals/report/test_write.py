"""The page and the Markdown of the report, parsed back."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from helpers.errors import user_error
from helpers.evaluation_records import make_record, make_run
from helpers.scene_runs import invoke
from PIL import Image

from avsa.cli import cli
from avsa.evals.report import pictures
from avsa.evals.report.layout import PAPER_TABLES, TABLE_2
from avsa.evals.report.paper_numbers import DATASETS
from avsa.evals.report.write import build_report, markdown, page, write_report
from avsa.evals.result import Metric

HOSTILE = (
    "<script>alert(1)</script>\"'><img src=x onerror=y>|[a](javascript:b)\n# x\x1b[2J`{{ 7*7 }}$x$"
)


class Page(HTMLParser):
    """Tables, ids, references and tags of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self._is_cell = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.add(tag)
        self.attributes |= set(values)
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values["href"]] if "href" in values else []
        self.sources += [values["src"]] if "src" in values else []
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._is_cell = True
        elif tag in ("small", "span", "sup") and self._is_cell:
            self.handle_data(" ")

    def handle_endtag(self, tag):
        self._is_cell = self._is_cell and tag not in ("td", "th")

    def handle_data(self, data):
        if self._is_cell:
            self.tables[-1][-1][-1] += data


def words(text: str) -> str:
    return " ".join(text.split())


def tables_of(text: str) -> list[list[list[str]]]:
    """Return the tables of Markdown, without links and escapes."""
    tables: list[list[list[str]]] = [[]]
    for line in text.splitlines():
        if not line.startswith("|"):
            tables += [[]] if tables[-1] else []
        elif not line.startswith("|---"):
            cells = re.split(r"(?<!\\)\|", line)[1:-1]
            plain = [re.sub(r"\[([^\]]*)\]\(#[^)]*\)", r"\1", cell) for cell in cells]
            plain = [re.sub(r"\\(.)", r"\1", unescape(cell.replace("<br>", " "))) for cell in plain]
            tables[-1].append([words(cell) for cell in plain])
    return [table for table in tables if table]


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Two seeds of avsa and a run of avc with records of all tables, and one without records."""
    monkeypatch.chdir(tmp_path)
    made = [make_run(Path("runs", name), name[:-1], int(name[-1]), "")
            for name in ("avsa0", "avsa1", "avc0", "small0")]  # fmt: skip
    for run, recipe, seed in zip(made, ("avsa", "avsa", "avc"), (0, 1, 0), strict=False):
        for layout in PAPER_TABLES:
            for number, column in enumerate(layout.columns):
                metric = Metric(value=0.3 + seed / 50 + number / 100, low=0.2, high=0.6, chance=0.1)
                numbers = {
                    each.metric: metric for each in layout.columns if each.kind == column.kind
                }
                options = {"translated": recipe == "avsa"} if layout is TABLE_2 else {}
                make_record(run, column.kind, {**column.options, **options}, numbers, recipe=recipe,
                            seed=seed, tables={"epochs": ({"epoch": 1, "loss": 2.0},)})  # fmt: skip
        make_record(run, "localization", {}, {"hits": metric, "error": replace(metric, unit="°")},
                    recipe=recipe, seed=seed)  # fmt: skip
    return made


def test_every_figure_of_the_paper_is_in_its_cell(runs):
    parsed = Page(page(build_report(runs)))
    for layout, table in zip(PAPER_TABLES, parsed.tables[1:], strict=False):
        papers = [row for row in table if row[0].endswith(" paper")]
        found = {row[0].removesuffix(" paper"): row[1:] for row in papers}
        expected = {
            label: ["–" if each is None else f"{each:.2f}" for each in numbers]
            for label, numbers in layout.paper.items()
        }
        assert found == expected and len(papers) == len(expected)
    datasets = {row[0].removesuffix(" paper"): row[1:] for row in parsed.tables[0][1:]}
    assert {name: datasets[name] for name in DATASETS} == {
        name: [f"{videos:,}", f"{hours:g}"] for name, (videos, hours) in DATASETS.items()
    }


def rows_of(table: list[list[str]]) -> list[list[str]]:
    """Return the rows of a table of the page as Markdown has them: label, line, cells."""
    rows, label = [], ""
    for row in table[
        1 + (table[0][1:] == ["AVC-Bin", "AVSA-Bin"] or len(table[0]) < len(table[1])) :
    ]:
        texts = [words(cell) for cell in row]
        if texts[0].endswith(" paper"):
            label = texts[0].removesuffix(" paper")
            rows.append([label, "paper", *texts[1:]])
        elif len(texts) == 1:
            label = texts[0]
        elif texts[0]:  # no heading
            rows.append([label, *texts])
    return rows


def test_page_and_markdown_agree(runs):
    report = build_report(runs)
    of_page, of_markdown = Page(page(report)).tables, tables_of(markdown(report))
    count = 1 + len(PAPER_TABLES)
    for html, text in zip(of_page[:count], of_markdown[:count], strict=True):
        expected = [[row[0], re.sub("[()]", "", row[1]), *row[2:]] for row in text[1:]]
        assert len(expected) >= 6
        assert rows_of(html) == expected
    for html, text in zip(of_page[count:], of_markdown[count:], strict=True):
        found = [[words(cell) for cell in row] for row in html]
        assert found == [[cell.replace(" · ", " ", 1) for cell in row] for row in text]


def test_links_lead_somewhere_and_nothing_leads_outside(runs):
    report = build_report(runs)
    text = page(report)
    parsed = Page(text)
    assert len(set(parsed.ids)) == len(parsed.ids)
    assert parsed.links and {each.removeprefix("#") for each in parsed.links} <= set(parsed.ids)
    assert all(each.startswith("#") for each in parsed.links)
    assert not parsed.tags & {"script", "link", "iframe", "object", "base", "form"}
    assert "url(" not in text and "@import" not in text and "http:" not in text
    targets = re.findall(r"\]\(#([^)]*)\)", markdown(report))
    assert targets and set(targets) <= set(re.findall(r'<a id="([^"]*)"></a>', markdown(report)))


def test_hostile_texts_stay_texts(tmp_path):
    run = tmp_path / "run"
    make_record(run, "avc-bin", {"views": 4, "protocol": HOSTILE}, {"accuracy": 0.5, HOSTILE: 0.25},
                data={"path": HOSTILE, HOSTILE: HOSTILE}, notes=(HOSTILE,),
                pictures={HOSTILE: HOSTILE, "missing.png": HOSTILE},
                tables={HOSTILE: ({HOSTILE: HOSTILE},), "epochs": ({"epoch": 1, HOSTILE: 1.0},),
                        "confusion": ({"target": HOSTILE, HOSTILE: 3},)}, name="a")  # fmt: skip
    make_record(run, HOSTILE, {HOSTILE: [HOSTILE]}, {HOSTILE: 0.5}, name="b")
    report = build_report([run])
    parsed = Page(page(report))
    assert not parsed.tags & {"script", "img"}
    assert not [name for name in parsed.attributes if name.startswith("on")]
    assert "{{ 7*7 }}" in page(report) and "\x1b" not in page(report)
    text = markdown(report)
    assert "\x1b" not in text and "\n# x" not in text
    outside_code = re.sub(r"(`+).*?\1", "", text)
    assert not re.findall(r"(?<!\\)<(?!/?a\b|br>)", outside_code)
    assert "](javascript" not in outside_code.replace("\\]", "")
    for table in tables_of(text):
        assert len({len(row) for row in table}) == 1


def test_pictures_are_embedded_within_limits(tmp_path, monkeypatch):
    run = tmp_path / "run"
    folder = run / "eval" / "pictures"
    folder.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder / "good.png")
    Image.effect_noise((900, 900), 90).save(folder / "large.png")
    (folder / "text.png").write_text("no picture")
    (tmp_path / "secret.png").write_bytes((folder / "good.png").read_bytes())
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    monkeypatch.setattr(pictures, "MAX_PICTURE_BYTES", 10_000)
    names = ("good.png", "large.png", "text.png", "link.png", "../../../secret.png", "none.png")
    make_record(run, "localization", {}, {}, pictures={name: name for name in names}, name="x")
    (record,) = build_report([run]).records
    assert [bool(each.uri) for each in record.pictures] == [True] + [False] * 5
    sources = Page(page(build_report([run]))).sources
    assert len(sources) == 1 and sources[0].startswith("data:image/png;base64,")


def test_pictures_fill_the_page_up_to_a_limit(tmp_path):
    run = tmp_path / "run"
    (run / "eval" / "pictures").mkdir(parents=True)
    for name in "ab":
        Image.new("RGB", (8, 8)).save(run / "eval" / "pictures" / f"{name}.png")
    make_record(run, "x", {}, {}, pictures={"a.png": "a", "b.png": "b"}, name="x")
    from avsa.evals.report.runs import read_runs

    (read,) = read_runs([run])
    size = (run / "eval" / "pictures" / "a.png").stat().st_size
    shown = pictures.PictureBudget(left_bytes=size).pictures_of(read.found[0])
    assert [bool(each.uri) for each in shown] == [True, False]


@pytest.mark.parametrize("name", ["log.jsonl", "config.yaml", "dataset.txt", "eval/x.json"])
def test_links_out_of_a_run_are_refused(tmp_path, name):
    run = make_run(tmp_path / "run", "avsa")
    (run / "eval").mkdir()
    (tmp_path / "foreign").write_text("{}")
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(tmp_path / "foreign")
    with user_error("invalid", run / name):
        build_report([run])


def test_a_broken_record_is_refused(tmp_path):
    path = make_record(tmp_path / "run", "avc-bin", {"views": 4}, {"accuracy": 0.5})
    path.write_text(path.read_text()[:-20])
    with user_error("invalid", path):
        build_report([tmp_path / "run"])


@pytest.mark.parametrize("name", ["report.txt", "report", "no/report.html"])
def test_other_outputs_are_refused_before_the_work(tmp_path, name):
    with pytest.raises(Exception) as raised:
        write_report([tmp_path / "nothing"], tmp_path / name)
    assert raised.value.key == str(tmp_path / name)


def test_the_command_writes_both_forms(tmp_path):
    make_record(tmp_path / "run", "avc-bin", {"views": 4}, {"accuracy": 0.5}, recipe="avc")
    out = tmp_path / "report.html", tmp_path / "report.md", tmp_path / "alone.md"
    invoke(cli, "report", tmp_path / "run", "--out", out[0], "--markdown", out[1])
    invoke(cli, "report", tmp_path / "run", "--out", out[2])
    assert out[0].read_text().startswith("<!DOCTYPE html>")
    assert out[1].read_text() == out[2].read_text()
    assert "50.00" in out[0].read_text()


def test_markdown_is_not_written_under_the_name_of_a_page(tmp_path):
    make_record(tmp_path / "run", "avc-bin", {"views": 4}, {"accuracy": 0.5}, recipe="avc")
    out = tmp_path / "a.html", tmp_path / "b.html"
    with user_error("invalid", out[1]):
        invoke(cli, "report", tmp_path / "run", "--out", out[0], "--markdown", out[1])
    assert not any(path.exists() for path in out)
