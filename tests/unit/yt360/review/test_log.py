"""Laws of the log: nothing is lost, neither to other writers nor to kills."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from yt360.errors import UserError
from yt360.review.log import ReviewLog
from yt360.review.service import ReviewService


def add_many(folder: Path, who: str) -> None:
    service = ReviewService(ReviewLog.of_folder(folder))
    for number in range(15):
        service.decide({"key": f"v-{number:05d}", "action": "note", "note": "x", "who": who})


def test_two_writers_at_once_lose_nothing(tmp_path):
    with ProcessPoolExecutor(2, get_context("forkserver")) as pool:
        for each in [pool.submit(add_many, tmp_path, who) for who in ("Ann", "Bob")]:
            each.result()
    decisions = ReviewLog.of_folder(tmp_path).read()
    found = [(each.who, each.key) for each in decisions]
    assert sorted(found) == [(who, f"v-{n:05d}") for who in ("Ann", "Bob") for n in range(15)]
    assert len({each.when for each in decisions}) == 30


def test_the_end_of_a_killed_writer_is_no_decision(tmp_path):
    log = ReviewLog.of_folder(tmp_path)
    service = ReviewService(log)
    service.decide({"key": "a", "action": "keep"})
    whole = log.path.read_bytes()
    log.path.write_bytes(whole + whole[:-10])
    assert len(log.read()) == 1
    service.decide({"key": "a", "action": "reject"})
    assert [each.action for each in log.read()] == ["keep", "reject"]
    assert log.path.read_bytes().startswith(whole)


def test_concatenated_copies_are_one_log(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        log = ReviewLog.of_folder(tmp_path / name)
        if name == "two":
            log.path.write_bytes((tmp_path / "one" / "review.jsonl").read_bytes())
        ReviewService(log).decide({"key": "a", "action": "reject", "who": name})
    merged = ReviewLog(tmp_path / "merged.jsonl")
    merged.path.write_bytes(
        b"".join((tmp_path / name / "review.jsonl").read_bytes() for name in ("two", "one"))
    )
    assert [each.who for each in merged.read()] == ["one", "two"]


@pytest.mark.parametrize("line", [b"{}\n", b"not JSON\n", b'{"action": "keep"}\n'])
def test_a_damaged_line_is_reported_and_nothing_is_added(tmp_path, line):
    log = ReviewLog.of_folder(tmp_path)
    log.path.write_bytes(line)
    with pytest.raises(UserError):
        log.read()
    with pytest.raises(UserError):
        ReviewService(log).decide({"key": "a", "action": "keep"})
    assert log.path.read_bytes() == line


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_text("")
    log = ReviewLog.of_folder(tmp_path / "in")
    log.path.symlink_to(tmp_path / "secret")
    with pytest.raises(UserError):
        ReviewService(log).decide({"key": "a", "action": "keep"})
    assert (tmp_path / "secret").read_text() == ""


def test_the_version_changes_with_the_decisions(tmp_path):
    service = ReviewService(ReviewLog.of_folder(tmp_path))
    versions = {service.version()}
    for _ in range(3):
        service.decide({"key": "a", "action": "keep"})
        versions.add(service.version())
    assert len(versions) == 4
