from __future__ import annotations

import json
import tarfile
import tracemalloc
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from helpers.small_datasets import write_dataset

from yt360.catalog import Catalog, Clip
from yt360.catalog.lists.yt360_lists import import_lists
from yt360.cli import cli
from yt360.commands.run import run
from yt360.errors import UserError
from yt360.shards.format.reader import ShardReader
from yt360.splits import SPLITS
from yt360.stats.catalog_counts import count_catalog
from yt360.stats.counts import LONG_TAIL
from yt360.stats.dataset_counts import _LEVEL, _read_facts, count_dataset
from yt360.stats.plots import plot_counts

EXAMPLE = "shards"


@pytest.fixture
def example(request):
    return request.config.rootpath / EXAMPLE


@pytest.fixture
def catalog(tmp_path):
    with Catalog(tmp_path / "my.catalog", create=True) as catalog:
        ids = [f"video{number:06d}" for number in range(6)]
        segments = {video_id: [10 * i for i in range(n + 1)] for n, video_id in enumerate(ids)}
        import_lists(catalog, segments, {"train": ids[:3], "test": ids[3:5]})
        yield catalog


def test_the_row_of_a_catalog_counts_kept_clips_of_each_split(catalog):
    rows = count_catalog(catalog).rows
    assert {name: (row.videos, row.clips) for name, row in rows.items()} == {
        "train": (3, 1 + 2 + 3),
        "test": (2, 4 + 5),
        "no split": (1, 6),
        "total": (6, 21),
    }
    assert rows["total"].hours == pytest.approx(21 * 10 / 3600)
    catalog.clips.put("video000001", Clip(start_s=0, kept=False, reason="silent"))
    assert count_catalog(catalog).rows["train"].clips == 5


def test_once_videos_are_accepted_only_they_count(catalog):
    catalog.claims.finish(catalog.claims.take("download", "w"), "accepted")
    assert count_catalog(catalog).rows["total"].videos == 1


def test_every_histogram_counts_every_value(catalog):
    (clips, *_) = count_catalog(catalog).histograms
    assert clips.name == "clips of a video" and clips.counts.sum() == 6


def test_numbers_with_a_long_tail_are_counted_over_growing_ranges(catalog):
    starts = range(0, 10 * int(LONG_TAIL) * 8, 10)
    catalog.clips.put("video000000", *(Clip(start_s=start) for start in starts))
    (clips, *_) = count_catalog(catalog).histograms
    assert clips.is_log and clips.counts.sum() == 6
    assert np.all(np.diff(clips.edges) > 0)
    assert clips.edges[0] < 2 and clips.edges[-1] > len(starts)


def test_a_dataset_tells_levels_projections_and_layouts(example):
    stats = count_dataset(example)
    total = stats.rows["total"]
    assert total.clips == stats.rows["train"].clips + stats.rows["test"].clips
    level = next(each for each in stats.histograms if each.name.startswith("level"))
    assert level.counts.sum() == total.clips
    assert stats.categories["projection"] == {"equirectangular": total.videos}
    assert stats.categories["source audio"] == {"ambix flac": total.videos}


class ManyClips:
    """A reader of a split in which all clips have large records."""

    def __init__(self, _dataset, split, **_columns):
        self.videos = 300 if split == "train" else 100
        numbers = range(10 * self.videos)
        self.table = pa.table({
            "video_id": [f"video{number // 10:06d}" for number in numbers],
            "start_s": [10 * (number % 10) for number in numbers],
            "json_bytes": [9000 for _ in numbers],
        })  # fmt: skip

    def blocks(self, _member):
        for first in range(0, len(self.table), 50):
            yield [self.record(number) for number in range(first, first + 50)]

    def record(self, index):
        return json.dumps(
            {
                "video_id": f"video{index // 10:06d}",
                "start_s": 10 * (index % 10),
                "duration_s": 10.0,
                "quality": {"level_dbfs": -20.0 - index % 7} if index % 3 else {},
                "source": {"upload_date": f"{2015 + index // 10 % 5}0101", "file_start_s": 0},
                "conversion": {"video": {"projection": "eac", "height": 1080}, "sound": {}},
                "more": [{"number": number} for number in range(40)],
            }
        ).encode()


def record_of(video_id="a", start_s=0, quality='{"level_dbfs": -26.72}', more="", title="a"):
    """Return a record as `build-shards` writes it, with a quality and more fields of one's own."""
    title = json.dumps(title, ensure_ascii=False)
    return (
        f'{{"duration_s": 1.0, "fps": 16, "height": 160, "quality": {quality}, '
        f'"sample_rate_hz": 24000, "source": {{"file_start_s": 0, "title": {title}}}, '
        f'"start_s": {start_s}, "video_id": "{video_id}"{more}, "width": 320}}'
    ).encode()


def literal_counts(dataset):
    """Return levels, and categories of videos, from every record of a dataset in turn."""
    paths = [path for split in SPLITS for path in sorted((dataset / split).glob("clips-*.tar"))]
    records = []
    for path in paths:
        with tarfile.open(path) as shard:
            members = [each for each in shard if each.name.endswith(".json")]
            records += [json.load(shard.extractfile(each)) for each in members]
    levels = [record.get("quality", {}).get("level_dbfs") for record in records]
    videos = {record["video_id"]: record for record in records}.values()
    return {
        "levels": sorted(level for level in levels if level is not None),
        "clips": sorted(Counter(record["video_id"] for record in records).values()),
        "licence": Counter(video["source"].get("license") or "unknown" for video in videos),
        "projection": Counter(
            video.get("conversion", {}).get("video", {}).get("projection") or "unknown"
            for video in videos
        ),
    }


def assert_counts_are_literal(dataset):
    counts, expected = count_dataset(dataset), literal_counts(dataset)
    histograms = {each.name: each for each in counts.histograms}
    for name, numbers in (
        ("level of a clip (dBFS)", expected["levels"]),
        ("clips of a video", expected["clips"]),
    ):
        edges = histograms[name].edges
        assert histograms[name].counts.tolist() == np.histogram(numbers, edges)[0].tolist()
        assert edges[0] <= min(numbers) and max(numbers) <= edges[-1]
    for name in ("licence", "projection"):
        found = counts.categories.get(name, Counter(unknown=expected[name]["unknown"]))
        assert found == expected[name]


def test_counts_are_those_of_every_record_in_turn(example, scene_dataset):
    assert_counts_are_literal(example)
    assert_counts_are_literal(scene_dataset.dataset)


@pytest.fixture
def odd_dataset(tmp_path):
    """A dataset with unknown fields, titles in other scripts, older records, and an empty split."""
    records = {
        "a-00000": record_of("a", 0, title='東京 360° – "quality": {"level_dbfs": -99}'),
        "a-00010": record_of("a", 10, more=', "what": {"quality": {"level_dbfs": -77.0}}'),
        "b-00000": record_of("b", 0, '{"level_dbfs": -30.5, "new": {"quality": 1}}'),
        "c-00000": record_of("c", 0, "{}", ', "z": {"quality": {"level_dbfs": -77.0}}'),
        "d-00000": json.dumps(json.loads(record_of("d")), indent=1).encode(),
        "e-00000": b'{"video_id": "e", "start_s": 0, "duration_s": 1, '
        b'"source": {"file_start_s": 0, "license": "CC BY"}}',
        "f-00000": record_of("f").replace(
            b"{", b'{"conversion": {"quality": {"level_dbfs": 0}}, ', 1
        ),
        "g-00000": record_of(
            "g", 0, '{"level_dbfs": -8.25}', ', "what": {"height": 99, "quality": 2}'
        ),
    }
    samples = [
        (key, {"mp4": b"", "flac": b"", "json": content}) for key, content in records.items()
    ]
    return write_dataset(tmp_path / "odd", {"train": [samples[:4], samples[4:]], "test": []})


def test_counts_of_odd_records_are_literal(odd_dataset):
    assert_counts_are_literal(odd_dataset)
    assert literal_counts(odd_dataset)["levels"] == [-30.5, -26.72, -26.72, -26.72, -26.72, -8.25]


def test_a_dataset_without_an_index_or_a_shard_is_refused_in_one_line(odd_dataset, capsys):
    for path in ("train/clips-000001.tar", "train/index.parquet"):
        (odd_dataset / path).unlink()
        with pytest.raises(SystemExit) as end:
            run(cli, ["stats", str(odd_dataset)])
        assert end.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ") and path.split("/")[1] in line


def test_a_record_that_is_too_large_is_refused_before_it_is_read(odd_dataset, monkeypatch):
    monkeypatch.setattr("yt360.stats.dataset_counts.MAX_FACTS_BYTES", 100)
    monkeypatch.setattr(ShardReader, "blocks", None)
    with pytest.raises(UserError, match=r"cannot be used: it has \d+ bytes; at most 100"):
        count_dataset(odd_dataset)


def test_the_level_of_records_that_are_built_is_found_without_parsing(example):
    for split in SPLITS:
        blocks = ShardReader(example, split).blocks("json")
        assert all(_LEVEL.search(content) for block in blocks for content in block)


class OneClip:
    """A reader of a split with one clip of a given quality, whose title looks like one."""

    dataset, keys = "data", ("a-00000",)

    def __init__(self, quality):
        self.record = record_of(quality=quality, title='"quality": {"level_dbfs": -99}')

    def blocks(self, _member):
        yield [self.record]


@pytest.mark.parametrize(
    ("quality", "level_dbfs"),
    [
        ('{"level_dbfs": -26.72}', -26.72),
        ('{"level_dbfs": 0.0}', 0.0),
        ('{"level_dbfs": -3}', -3.0),
        ('{"level_dbfs": null}', None),
        ('{"level_dbfs": -1e1}', -10.0),
        ('{"peak": 1, "level_dbfs": -7.5}', -7.5),
        ('{ "level_dbfs" : -7.5 }', -7.5),
        ("{}", None),
    ],
)
def test_the_level_of_any_valid_record_is_found(quality, level_dbfs):
    levels, videos = _read_facts([OneClip(quality)], np.array([True]))
    assert levels.tolist() == ([] if level_dbfs is None else [level_dbfs])
    assert len(videos) == 1


@pytest.mark.parametrize("quality", ['{"level_dbfs": -1001.0}', '{"level_dbfs": "-3"}', "3"])
def test_an_invalid_level_is_refused(quality):
    with pytest.raises(UserError, match=r"a-00000.*quality.*yt360 check data"):
        _read_facts([OneClip(quality)], np.array([False]))


def test_records_of_clips_are_not_kept_in_memory(example, monkeypatch):
    monkeypatch.setattr("yt360.stats.dataset_counts.ShardReader", ManyClips)
    count_dataset(example)  # imports what it needs, which is not measured
    tracemalloc.start()
    try:
        stats = count_dataset(example)
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes < 1_500_000  # 4,000 records of 9 kB each, once they are parsed
    sums = {each.name: each.counts.sum() for each in stats.histograms}
    assert sums["clips of a video"] == sums["rows of the source video"] == 300
    assert sums["start of a clip (s)"] == 4000
    assert sums["level of a clip (dBFS)"] == 2000 + 666
    assert stats.categories["upload year"] == dict.fromkeys(map(str, range(2015, 2020)), 60)


@pytest.mark.parametrize("options", [["--plots", "figures", "--labels"], ["--name", "mine"]])
def test_options_that_do_not_go_together_are_refused(example, capsys, options):
    with pytest.raises(SystemExit) as end:
        run(cli, ["stats", str(example), *options])
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {options[0]} ") and "--labels" in line


def test_the_pictures_are_written(example, tmp_path):
    paths = plot_counts(count_dataset(example), tmp_path / "figures")
    assert len(paths) >= 5
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


def test_a_picture_is_whole_or_not_there(example, tmp_path, file_size_limit):
    with file_size_limit(1000), pytest.raises(OSError) as full:
        plot_counts(count_dataset(example), tmp_path)
    assert full.value.filename.endswith(".png")
    assert not list(tmp_path.iterdir())


def test_words_of_a_catalog_are_drawn_as_they_are(example, tmp_path):
    stats = count_dataset(example)
    words = Counter({"$\\frac{1}{$": 2, "a\x1b[2Jb\nc": 1})
    assert plot_counts(replace(stats, categories={"license": words}), tmp_path)


def test_the_command_prints_the_row_of_a_dataset_and_of_a_catalog(example, catalog, capsys):
    for path in (example, catalog.path):
        with pytest.raises(SystemExit) as end:
            run(cli, ["stats", str(path)])
        assert not end.value.code
        output = capsys.readouterr().out
        assert "videos" in output and "total" in output and "clips of a video" in output
    with pytest.raises(SystemExit):
        run(cli, ["stats", str(catalog.path), "--json"])
    assert json.loads(capsys.readouterr().out)["rows"]["total"]["clips"] == 21


def test_a_folder_that_is_no_dataset_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        run(cli, ["stats", str(tmp_path)])
    assert end.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
