from __future__ import annotations

from yt360.catalog import Catalog
from yt360.catalog.lists.yt360_lists import export_lists, import_lists, parse_ids, parse_segments


def test_the_released_lists_round_trip_byte_by_byte(real_data, tmp_path):
    folder = real_data / "yt360-release"
    lists = {name: (folder / f"{name}.txt").read_text() for name in ("segments", "train", "test")}
    splits = {name: parse_ids(lists[name]) for name in ("train", "test")}
    with Catalog(tmp_path / "my.catalog", create=True) as catalog:
        done = import_lists(catalog, parse_segments(lists["segments"]), splits)
        export_lists(catalog, tmp_path / "out")
        clips = catalog.connection.execute(
            "SELECT split, count(*) FROM clips JOIN splits USING (video) GROUP BY split"
        ).fetchall()
    assert (done.videos, done.clips) == (5723, 91176)
    assert done.splits == {"train": 4506, "test": 1000}
    for name in lists:
        assert (tmp_path / "out" / f"{name}.txt").read_bytes() == (
            folder / f"{name}.txt"
        ).read_bytes()
    assert dict(map(tuple, clips)) == {"train": 73635, "test": 15119}
