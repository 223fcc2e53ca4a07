"""The page of inspected recordings: complete, in the order of doubt, and without outside parts."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from helpers.errors import user_error
from helpers.fake_media import InlinePool
from helpers.quality_checks import inspect_inline, write_catalog

from yt360.ambisonics.energy_overlay import peak_deg
from yt360.commands.inspect import command
from yt360.errors import BadItem
from yt360.quality.catalog_config import CatalogRunConfig
from yt360.quality.configs import configure_checks, rejecting_by_default
from yt360.quality.findings import Findings
from yt360.quality.report.card import Card, draw_card, draw_failure
from yt360.quality.report.catalog_report import report_catalog
from yt360.quality.report.doubt import doubt_of
from yt360.quality.report.drawing import PLANE_WAVE_DB, beam_gain_db
from yt360.quality.report.page import ReportPage
from yt360.quality.verdict import Verdict, judge

HOSTILE = "<img src=x onerror=alert(1)> \" ' \u202e.mkv"
CHECKS = configure_checks()
REJECTING = rejecting_by_default(CHECKS)


class Page(HTMLParser):
    """The names and states of the cards of a page, and everything that could load or run."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.cards: list[tuple[str, str]] = []
        self.sources: list[str] = []
        self.scripts = 0
        self.handlers: list[str] = []
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "article":
            self.cards.append((values["data-name"] or "", values["data-state"] or ""))
        self.sources += [values[key] or "" for key in ("src", "href", "srcset") if key in values]
        self.handlers += [key for key in values if key.startswith("on")]
        self.scripts += tag == "script"


def read(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def findings(**probabilities: float) -> Findings:
    """Return findings with the probability of a defect of some checks; 0.01 for the others."""
    given = {name.replace("_", "-"): value for name, value in probabilities.items()}
    verdicts: dict[str, Verdict] = {
        name: replace(judge(name, given.get(name, 0.01), ("good", "bad"), ""), is_measured=True)
        for name in CHECKS
    }
    return Findings(name="x", verdicts=verdicts, layout="ambix", checks=CHECKS)


def doubt(**probabilities: float) -> float:
    return doubt_of(findings(**probabilities), REJECTING).value


def test_doubt_falls_from_an_even_chance_over_contradictions_to_certainty() -> None:
    order = [
        doubt(still_image=0.5),
        doubt(still_image=0.6),
        doubt(clipping=0.99),
        doubt(still_image=0.3, clipping=0.01),
        doubt(still_image=0.99),
        doubt(still_image=0.99, silence=0.98),
    ]
    assert order == sorted(order, reverse=True)
    assert order[0] == 1
    assert 0 <= order[-1] < 0.05
    refused = findings(spatial_audio=0.99)
    refused.verdicts["spatial-audio"] = replace(
        refused.verdicts["spatial-audio"], is_measured=False
    )
    assert doubt_of(refused, REJECTING).value < doubt(spatial_audio=0.99)


def plane_wave(azimuth_deg: float, elevation_deg: float) -> np.ndarray:
    azimuth, elevation = np.radians([azimuth_deg, elevation_deg])
    flat = np.cos(elevation)
    way = np.array([1, flat * np.sin(azimuth), np.sin(elevation), flat * np.cos(azimuth)])
    return np.outer(way, way)


@pytest.mark.parametrize("direction", [(0, 0), (90, 0), (-135, 30), (170, -60)])
def test_the_map_has_its_maximum_where_a_plane_wave_comes_from(
    direction: tuple[float, float],
) -> None:
    gain_db = beam_gain_db(plane_wave(*direction), 91, 181)
    assert gain_db.max() == pytest.approx(PLANE_WAVE_DB, abs=0.05)
    assert peak_deg(gain_db) == pytest.approx(direction, abs=1.5)


def test_the_map_of_a_diffuse_field_is_flat() -> None:
    diffuse = np.diag([1, 1 / 3, 1 / 3, 1 / 3])
    assert np.abs(beam_gain_db(diffuse)).max() < 0.05


def test_the_command_shows_every_file_and_loads_nothing(recordings: Path, tmp_path: Path) -> None:
    footage = tmp_path / "footage"
    footage.mkdir()
    for suffix in (".mkv", ".wav"):
        shutil.copy(recordings / f"photo{suffix}", (footage / HOSTILE).with_suffix(suffix))
    (footage / "broken.mp4").write_text("no film")
    (footage / "lonely.wav").symlink_to(recordings / "fuma.wav")
    out = tmp_path / "report.html"
    result = CliRunner().invoke(command, [str(footage), "--report", str(out)])
    assert result.exit_code == 2
    page = read(out)
    assert [state for _, state in page.cards] == ["rejected", "failed", "failed"]
    assert page.cards[0][0] == HOSTILE.replace("\u202e", "\\u202e")
    assert {name for name, _ in page.cards[1:]} == {"broken.mp4", "lonely.wav"}
    assert len(page.sources) == 7  # three pictures, three maps, one curve over time
    assert all(re.match(r"data:image/(png|jpeg);base64,", each) for each in page.sources)
    assert (page.scripts, page.handlers) == (1, [])
    assert out.stat().st_size < 150_000 * len(page.cards)


def test_audio_alone_and_a_flat_film_have_cards(recordings: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    files = [str(recordings / "fuma.wav"), str(recordings / "good.mkv"), "--projection", "eac"]
    assert CliRunner().invoke(command, [*files, "--report", str(out)]).exit_code == 0
    assert sorted(name for name, _ in read(out).cards) == ["fuma.wav", "good.mkv"]


def test_the_last_lines_count_the_recordings_and_name_the_page(
    recordings: Path, tmp_path: Path
) -> None:
    out = tmp_path / "report.html"
    files = [str(recordings / f"{name}.mkv") for name in ("good", "photo")]
    broken = tmp_path / "broken.mp4"
    broken.write_text("no film")
    result = CliRunner().invoke(command, [*files, str(broken), "--report", str(out)])
    counted, page = result.stdout.splitlines()[-2:]
    assert counted.partition(": ")[2].split(", ") == ["1 accepted", "1 rejected", "1 unreadable"]
    assert page.startswith(f"{out}: ")
    printed = CliRunner().invoke(command, [files[0], "--json", "--report", str(out)])
    assert len(json.loads(printed.stdout)) == 1


def card(name: str, value: float) -> Card:
    return Card("accepted", value, f'<article data-name="{name}" data-state="accepted"></article>')


def names(path: Path) -> list[str]:
    return [name for name, _ in read(path).cards]


def test_cards_are_in_the_order_of_doubt_then_of_arrival(tmp_path: Path) -> None:
    with ReportPage(tmp_path / "a.html", "a", ()) as page:
        for name, value in (("c", 0.1), ("a", 0.9), ("b", 0.1), ("d", -1)):
            page.add(card(name, value))
    assert names(tmp_path / "a.html") == ["a", "c", "b", "d"]


def test_only_the_most_doubtful_cards_are_kept(tmp_path: Path) -> None:
    with ReportPage(tmp_path / "a.html", "a", (), most=2) as page:
        for number in range(5):
            page.add(card(str(number), number / 10))
    assert names(tmp_path / "a.html") == ["4", "3"]
    assert "5 recordings" in (tmp_path / "a.html").read_text()


def test_an_interrupted_page_holds_what_was_done(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    with pytest.raises(KeyboardInterrupt), ReportPage(path, "a", ()) as page:
        page.add(card("first", 0.5))
        raise KeyboardInterrupt
    assert names(path) == ["first"]
    assert "stopped before it was complete" in path.read_text()


def test_nothing_done_leaves_the_page_of_before(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt), ReportPage(path, "a", ()):
        raise KeyboardInterrupt
    assert path.read_text() == "before"


@pytest.mark.parametrize(
    ("name", "code"),
    [(".", "invalid"), ("folder.html", "invalid"), ("a.txt", "invalid"), ("no/a.html", "missing")],
)
def test_a_page_that_cannot_be_written_is_refused_at_once(
    name: str, code: str, tmp_path: Path
) -> None:
    (tmp_path / "folder.html").mkdir()
    with user_error(code):
        ReportPage(tmp_path / name, "a", ())


def test_failures_show_their_reason_escaped() -> None:
    html = draw_failure("a/<i>.mp4", BadItem("not-media", "<script>")).html
    assert "not-media" in html and "<script>" not in html and "<i>" not in html


def test_findings_without_media_have_a_card_without_pictures() -> None:
    html = draw_card("x", findings(silence=0.9), REJECTING).html
    assert "<img" not in html and "silence" in html


@pytest.mark.parametrize("has_media", [True, False])
def test_the_page_of_a_catalog_shows_inspected_and_failed_videos(
    recordings: Path, tmp_path: Path, has_media: bool
) -> None:
    media = tmp_path / "media"
    media.mkdir()
    for file in recordings.iterdir():
        (media / file.name).symlink_to(file)
    (media / "broken.mkv").write_bytes(b"no film")
    photo, broken = "photo______", "broken_____"
    files = {photo: ("photo.mkv", "photo.wav"), broken: ("broken.mkv", None)}
    path = write_catalog(tmp_path / "my.catalog", media, files)
    inspect_inline(path)
    if not has_media:
        for file in media.iterdir():
            file.unlink()
    out = tmp_path / "report.html"
    with ReportPage(out, "catalog", ()) as page:
        report_catalog(
            path, page, CatalogRunConfig(), make_pool=lambda workers, _: InlinePool(workers)
        )
    assert read(out).cards == [(photo, "rejected"), (broken, "failed")]
    assert len(read(out).sources) == (6 if has_media else 0)


def test_a_catalog_without_inspected_videos_has_no_page_and_the_command_says_so(
    tmp_path: Path,
) -> None:
    path = write_catalog(tmp_path / "my.catalog", tmp_path, {})
    page = tmp_path / "page.html"
    result = CliRunner().invoke(command, [str(path), "--rejudge", "--report", str(page)])
    assert result.exit_code == 0
    assert "no page" in result.output
    assert not page.exists()
