from __future__ import annotations

import json

import pytest

from yt360.catalog import Catalog
from yt360.catalog.tables.sites import SiteState
from yt360.crawl.download.remote.beacon import Beacon, BeaconReader
from yt360.crawl.rate_limit import Interrupted


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def write(path, beat, **paused_s):
    path.write_text(json.dumps({"beat": beat, "paused_s": paused_s}))


def test_workers_learn_the_pauses_of_the_catalog_and_the_end_of_the_run(catalog_path, tmp_path):
    with Catalog(catalog_path) as catalog:
        catalog.sites.put("slow", SiteState(paused_until=catalog.clock() + 100))
        catalog.sites.put("quick", SiteState(paused_until=catalog.clock() - 100))
    with Beacon(catalog_path, tmp_path) as beacon:
        reader = BeaconReader(beacon.path, fresh_s=0.0)
        assert 50 < reader.pause_left_s("slow") <= 100
        assert reader.pause_left_s("quick") == reader.pause_left_s("unknown") == 0
    with pytest.raises(Interrupted):
        reader.check()


def test_a_new_run_stops_the_workers_of_a_killed_one(catalog_path, tmp_path):
    old = tmp_path / "run-0123456789abcdef.json"
    write(old, 7)
    reader = BeaconReader(old, fresh_s=0.0)
    reader.check()
    with Beacon(catalog_path, tmp_path), pytest.raises(Interrupted):
        reader.check()


def test_a_pause_counts_from_when_it_is_told(tmp_path):
    clock, path = Clock(), tmp_path / "run.json"
    write(path, 1, site=30)
    reader = BeaconReader(path, clock)
    assert reader.pause_left_s("site") == 30
    clock.now += 20
    assert reader.pause_left_s("site") == 10, "an old beat does not begin the pause again"
    write(path, 2)
    assert reader.pause_left_s("site") == 10, "the file is read once a second at most"
    clock.now += 1
    assert reader.pause_left_s("site") == 0


def test_a_driver_that_is_silent_is_gone(tmp_path):
    clock, path = Clock(), tmp_path / "run.json"
    write(path, 1)
    reader = BeaconReader(path, clock, silence_s=60)
    reader.check()
    clock.now += 59
    reader.check()
    write(path, 2)
    clock.now += 10
    reader.check()
    path.write_text("{")  # a shared disk that fails for a moment
    clock.now += 59
    reader.check()
    clock.now += 2
    with pytest.raises(Interrupted):
        reader.check()
