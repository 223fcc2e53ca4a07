"""Laws of decisions in a catalog: the same as those of a log."""

import sqlite3
from threading import Thread

import pytest

from yt360.catalog.catalog import Catalog
from yt360.catalog.schema import MIGRATIONS, migrate, version_of
from yt360.errors import UserError
from yt360.review.catalog_store import CatalogStore
from yt360.review.service import ReviewService


@pytest.fixture
def store(tmp_path) -> CatalogStore:
    Catalog(tmp_path / "my.catalog", create=True).close()
    return CatalogStore(tmp_path / "my.catalog")


def test_decisions_are_read_as_they_were_made(store):
    service = ReviewService(store)
    key = "kqAZkf5Odyw-00080"
    versions = {service.version()}
    requests = [
        {"action": "reject", "note": "café", "who": "Ann"},
        {"action": "orientation", "value": -12.5},
        {"action": "layout", "value": "fuma"},
    ]
    for request in requests:
        service.decide({"key": key, **request})
        versions.add(service.version())
    undo = {"key": key, "action": "undo", "id": store.read()[0].id}
    assert service.decide(undo)[0] == 200
    assert len(versions) == 4
    found = [(each.action, each.value, each.note, each.who) for each in store.read()]
    assert found == [
        ("reject", None, "café", "Ann"), ("orientation", -12.5, "", ""),
        ("layout", "fuma", "", ""), ("undo", None, "", ""),
    ]  # fmt: skip


def test_two_threads_lose_nothing(store):
    def add() -> None:
        for _ in range(5):
            ReviewService(store).decide({"key": "a", "action": "keep"})

    threads = [Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.id for each in store.read()}) == 10


def test_a_conflict_adds_nothing(store):
    service = ReviewService(store)
    service.decide({"key": "a", "action": "keep"})
    assert service.decide({"key": "a", "action": "reject", "seen": None})[0] == 409
    assert len(store.read()) == 1


def test_a_catalog_of_the_version_before_gets_the_table(tmp_path):
    path = tmp_path / "old.catalog"
    with sqlite3.connect(path, isolation_level=None) as connection:
        migrate(connection, MIGRATIONS[:-1])
    assert ReviewService(CatalogStore(path)).decide({"key": "a", "action": "keep"})[0] == 200
    with sqlite3.connect(path) as connection:
        assert version_of(connection) == len(MIGRATIONS)


def test_a_row_that_is_no_decision_is_reported(store):
    with Catalog(store.path) as catalog:
        catalog.connection.execute(
            "INSERT INTO decisions (id, key, action, value, note, who, made_at) "
            "VALUES ('1', 'a', 'explode', 'null', '', '', '')"
        )
    with pytest.raises(UserError):
        store.read()
