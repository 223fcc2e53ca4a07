"""Laws of decisions in a bucket: the same as those of a log in a folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from threading import Thread

import pytest
from helpers.errors import user_error
from helpers.memory_buckets import Memory, memory_bucket
from helpers.s3_server import DENIED, lost_answer, running

from yt360.errors import UserError
from yt360.review.applied import find_decisions, read_decisions
from yt360.review.bucket_log import BucketLog
from yt360.review.log import ReviewLog
from yt360.review.service import ReviewService

LINE = b'{"action": "keep", "id": "9f2c", "key": "a", "when": "2026-01-01T00:00:00.000000Z"}\n'


@pytest.fixture(scope="module")
def server():
    with running() as started:
        yield started


@pytest.fixture
def url(server):
    return f"s3://{server.new_bucket()}/data"


@pytest.fixture
def open_log(server, url):
    """Return a function that opens the log as one of several processes does."""
    return partial(BucketLog.at, url, server.objects)


def test_the_object_has_the_lines_of_a_log_in_a_folder(open_log, server, url, tmp_path):
    folder = ReviewLog.of_folder(tmp_path)
    service = ReviewService(open_log())
    versions = {service.version()}
    for action in ("reject", "note", "keep"):
        service.decide({"key": "v-00010", "action": action, "note": "café", "who": "Ann"})
        versions.add(service.version())
    assert len(versions) == 4
    folder.path.write_bytes(server.objects(url).read("review.jsonl").content)
    assert folder.read() == open_log().read() and len(folder.read()) == 3


def test_writers_at_once_lose_nothing(open_log):
    def add(who):
        service = ReviewService(open_log())
        for number in range(4):
            service.decide({"key": f"v-{number:05d}", "action": "note", "note": "x", "who": who})

    threads = [Thread(target=add, args=(who,)) for who in "AB"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [(each.who, each.key) for each in open_log().read()]
    assert sorted(found) == [(who, f"v-{n:05d}") for who in "AB" for n in range(4)]


def test_a_decision_whose_answer_was_lost_is_stored_once(open_log, server):
    service = ReviewService(open_log())
    service.decide({"key": "a", "action": "keep"})
    server.fail(lost_answer, "PUT", "review.jsonl")
    assert service.decide({"key": "a", "action": "reject"})[0] == 200
    assert [each.action for each in open_log().read()] == ["keep", "reject"]


def test_a_decision_that_others_added_to_before_its_answer_was_lost_is_stored_once():
    class Interrupted(Memory):
        """Somebody adds a decision to ours, before we hear that ours is stored."""

        def pipe_file(self, path, value, **options):
            super().pipe_file(path, value, **options)
            if self.is_armed:
                self.is_armed = False
                ReviewService(log()).decide({"key": "b", "action": "keep"})
                raise OSError("the answer was lost")

    store = Interrupted()
    store.is_armed = False

    def log():
        return BucketLog(memory_bucket("memory://bucket/data", store))

    service = ReviewService(log())
    service.decide({"key": "a", "action": "keep"})
    store.is_armed = True
    assert service.decide({"key": "a", "action": "reject"})[0] == 200
    found = [(each.key, each.action) for each in log().read()]
    assert found == [("a", "keep"), ("a", "reject"), ("b", "keep")]


def test_a_bucket_that_cannot_be_written_is_an_error_with_its_address(open_log, server, url):
    server.fail(DENIED, "PUT", "review.jsonl")
    with user_error("system", f"{url}/review.jsonl"):
        ReviewService(open_log()).decide({"key": "a", "action": "keep"})
    assert not open_log().read()


def test_a_damaged_line_is_reported(open_log, server, url):
    server.objects(url).put("review.jsonl", b"no decision\n")
    with user_error("invalid", f"{url}/review.jsonl"):
        open_log().read()


def test_a_build_finds_the_decisions_of_datasets_in_buckets(server, url, tmp_path, monkeypatch):
    server.set_environment(monkeypatch.setenv)
    assert find_decisions([tmp_path, url]) == []
    with pytest.raises(UserError) as caught:
        read_decisions(Path(url))  # a path, as the command line gives it
    assert (caught.value.code, caught.value.key) == ("missing", "--review")
    assert str(caught.value).startswith(f"{url} ")
    server.objects(url).put("review.jsonl", LINE)
    for place in (url, f"{url}/review.jsonl"):
        assert [each.action for each in find_decisions([place])] == ["keep"]
