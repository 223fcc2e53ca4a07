"""A dataset that somebody else made gives one line of error, whatever it holds; nothing hangs."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.errors import bad_item, user_error

from yt360.cli import cli
from yt360.commands.run import run
from yt360.errors import BadItem, UserError
from yt360.shards.builder.staging import StagingFolder
from yt360.shards.check.dataset import check_dataset
from yt360.shards.format.clip_facts import MAX_FACTS_BYTES, parse_facts
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.shards.format.index import clip_rows
from yt360.shards.format.index_file import INDEX_SCHEMA, read_index
from yt360.shards.format.reader import ShardReader
from yt360.shards.format.scan import MAX_MEMBERS, scan_shard
from yt360.shards.format.schema import DATASET_FILE, INDEX_FILE
from yt360.shards.format.writer import ShardWriter
from yt360.stats.dataset_counts import count_dataset

HUGE = 10**400
INDEX, SHARD = Path("train") / INDEX_FILE, Path("train") / "clips-000000.tar"


@pytest.fixture
def dataset(request, tmp_path):
    """Return a copy of the example of the specification: 16 training clips in 3 shards."""
    return shutil.copytree(request.config.rootpath / "shards", tmp_path / "outer" / "set")


def change_json(path, place, value):
    """Set the value at a place such as ("splits", "train", "clips")."""
    content = json.loads(path.read_text())
    target = content
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    path.write_text(json.dumps(content))


def change_index(path, **columns):
    """Set columns of the second row of an index."""
    table = pq.read_table(path, partitioning=None)
    for name, value in columns.items():
        field = table.schema.field(name)
        values = table.column(name).to_pylist()
        column = pa.array([values[0], value, *values[2:]], field.type)
        table = table.set_column(table.schema.names.index(name), field, column)
    pq.write_table(table, path)


def rejection(**changes):
    fields = {"video_id": "a", "file_start_s": 0, "start_s": None, "file": "a.mp4", "reason": "x"}
    return [{**fields, "detail": "", "fingerprint": "", "lost_s": 1, **changes}]


TRAIN = ("splits", "train")
SHARD_0 = (*TRAIN, "shards", 0)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((*SHARD_0, "name"), None),
        ((*SHARD_0, "name"), "../../../../../dev/zero"),
        ((*SHARD_0, "name"), "clips-000001.tar"),
        ((*SHARD_0, "bytes"), -1),
        ((*SHARD_0, "bytes"), 1.5),
        ((*SHARD_0, "bytes"), HUGE),
        ((*SHARD_0, "sha256"), "../" * 20),
        ((*SHARD_0, "sha256"), 5),
        ((*SHARD_0, "clips"), True),
        ((*TRAIN, "shards"), {}),
        ((*TRAIN, "shards"), [None]),
        ((*TRAIN, "clips"), "16"),
        ((*TRAIN, "clips"), 10**9),
        ((*TRAIN, "videos"), -1),
        ((*TRAIN, "duration_s"), "x"),
        ((*TRAIN, "duration_s"), HUGE),
        ((*TRAIN, "duration_s"), float("inf")),
        (("splits",), {"train": {}}),
        (("splits",), []),
        (("rejected",), rejection(file=3)),
        (("rejected",), rejection(lost_s=float("nan"))),
        (("rejected",), rejection(start_s=-1)),
        (("rejected",), "none"),
        (("unfinished",), [None]),
        (("options",), 3),
        (("complete",), "yes"),
        (("built_with",), 1),
        (("format_version",), HUGE),
    ],
)
def test_a_value_of_dataset_json_that_cannot_be_is_named(dataset, place, value):
    change_json(dataset / DATASET_FILE, place, value)
    with pytest.raises(UserError, match=r"dataset.json is damaged: ") as caught:
        DatasetInfo.load(dataset)
    assert str(place[0]) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["deep", "devzero", "dur_str", "name_null"])
@pytest.mark.real
def test_descriptions_that_broke_readers_give_one_line(dataset, real_data, name, capsys):
    shutil.copyfile(real_data / "hostile" / f"{name}.json", dataset / DATASET_FILE)
    for command in ("check", "index", "stats", "preview"):
        with pytest.raises(SystemExit) as caught:
            run(cli, [command, str(dataset)])
        error = capsys.readouterr().err
        assert caught.value.code == 2 and error.count("\n") == 1 and "is damaged" in error


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"shard": "clips-000099.tar"}, "does not list the shard"),
        ({"shard": "x" * 1000}, "longer than 100 bytes"),
        ({"video_id": "../../x"}, "is not a video id"),
        ({"video_id": "x" * 1000}, "longer than 64 bytes"),
        ({"video_id": ""}, "is not a video id"),
        ({"start_s": -1}, "start_s of clip 1 is -1"),
        ({"start_s": 2**62}, "start_s of clip 1"),
        ({"file_start_s": -(2**63)}, "file_start_s of clip 1"),
        ({"duration_s": 0.0}, "duration_s of clip 1"),
        ({"duration_s": float("nan")}, "duration_s of clip 1"),
        ({"duration_s": float("inf")}, "duration_s of clip 1"),
        ({"json_offset": -1}, "json_offset of clip 1"),
        ({"json_offset": 2**63 - 1}, "json_offset of clip 1"),
        ({"mp4_bytes": -(2**63)}, "mp4_bytes of clip 1"),
        ({"mp4_bytes": 2**62}, "mp4_bytes of clip 1"),
        ({"flac_offset": 900_000, "flac_bytes": 900_000}, "flac_bytes of clip 1"),
    ],
)
def test_a_value_of_the_index_that_cannot_be_is_named(dataset, columns, message):
    change_index(dataset / INDEX, **columns)
    with pytest.raises(UserError, match=rf"{message}.*`yt360 index .*` rebuilds it"):
        ShardReader(dataset, "train")


def test_keys_of_the_index_are_made_and_check_compares_them(dataset):
    change_index(dataset / INDEX, key="../x")
    rows = ShardReader(dataset, "train").rows
    assert [row.key for row in rows] == [f"{row.video_id}-{row.start_s:05d}" for row in rows]
    assert "a key is not VIDEO_ID-START" in "\n".join(check_dataset(dataset, quick=True))


def columns_of(rows):
    return {
        name: np.zeros(rows, kind.to_pandas_dtype()) if kind != pa.string() else ["a"] * rows
        for name, kind in zip(INDEX_SCHEMA.names, INDEX_SCHEMA.types, strict=True)
    }


def as_optional(table):
    return table.cast(pa.schema([field.with_nullable(True) for field in table.schema]))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda _: pa.table(columns_of(10**6), schema=INDEX_SCHEMA), "1000000 rows"),
        (as_optional, "not those of this version"),
        (lambda table: table.drop_columns("shard"), "not those of this version"),
        (lambda table: table.append_column("more", table.column("key")), "not those of this"),
        (lambda _: pa.table({f"c{n}": [1] for n in range(20_000)}), "cannot be read"),
        (lambda _: pa.table({"x" * (2 << 20): [1]}), "cannot be read"),
    ],
    ids=["rows", "nullable", "less", "more", "columns", "name"],
)
def test_an_index_of_another_size_or_form_is_refused_before_it_is_decoded(dataset, write, message):
    path = dataset / INDEX
    pq.write_table(write(pq.read_table(path, partitioning=None)), path)
    with pytest.raises(UserError, match=message) as caught:
        ShardReader(dataset, "train")
    assert len(str(caught.value)) < 1000


def test_no_damage_to_an_index_goes_unnoticed_or_crashes(dataset):
    info = DatasetInfo.load(dataset).splits["train"]
    content = (dataset / INDEX).read_bytes()
    whole, generator = read_index(dataset / "train", info), np.random.default_rng(0)
    for place in generator.integers(0, len(content), 150):
        damaged = bytearray(content)
        damaged[place] ^= 1 << generator.integers(0, 8)
        (dataset / INDEX).write_bytes(damaged)
        try:
            table = read_index(dataset / "train", info)
        except UserError as error:
            assert "\n" not in str(error)
        else:  # what cannot be told from a right value
            assert table.schema.equals(INDEX_SCHEMA) and len(table) == len(whole)


def into_nothing(path):
    path.symlink_to("/dev/zero")


def into_secret(path):
    secret = path.parents[2] / "secret"
    secret.write_bytes(bytes(10**7))
    path.symlink_to(secret)


SPECIAL = {"device": into_nothing, "link": into_secret, "fifo": os.mkfifo, "folder": Path.mkdir}


@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL.keys())
def test_a_shard_that_is_no_regular_file_of_the_dataset_is_not_read(dataset, make):
    (dataset / SHARD).unlink()
    make(dataset / SHARD)
    wrong = "leads out of|a FIFO, not|a folder, not"
    for method in ("mmap", "pread"):
        with pytest.raises(BadItem, match=wrong):
            ShardReader(dataset, "train", method=method).read(0, "json")
    (fault, *_) = check_dataset(dataset, quick=True)
    assert fault.startswith(f"{dataset / SHARD} is a ")
    with pytest.raises(UserError, match=wrong):
        clip_rows(dataset / SHARD)


@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL.keys())
@pytest.mark.parametrize("name", [Path(DATASET_FILE), INDEX], ids=str)
def test_a_description_or_index_that_is_no_regular_file_is_not_read(dataset, name, make):
    (dataset / name).unlink()
    if name == Path(DATASET_FILE) and make is into_secret:
        (dataset / name).symlink_to(dataset.parent / "other.json")
        (dataset.parent / "other.json").write_text("{}")
    else:
        make(dataset / name)
    with pytest.raises(UserError, match=r"leads out of|a FIFO, not|a folder, not"):
        ShardReader(dataset, "train")


def test_the_folder_of_a_split_must_not_lead_elsewhere(dataset):
    (dataset / "test").rename(dataset.parent / "elsewhere")
    (dataset / "test").symlink_to(dataset.parent / "elsewhere")
    with user_error("forbidden"):
        DatasetInfo.load(dataset)


def test_a_build_follows_no_link_in_its_staging_folder(dataset):
    (dataset / ".staging").symlink_to(dataset.parent)
    with user_error("forbidden"):
        StagingFolder(dataset)


def test_a_shard_shorter_than_the_index_says_allocates_nothing(dataset):
    content = json.loads((dataset / DATASET_FILE).read_text())
    for shard in content["splits"]["train"]["shards"]:
        shard["bytes"] = 2**50
    (dataset / DATASET_FILE).write_text(json.dumps(content))
    change_index(dataset / INDEX, mp4_bytes=2**49, json_bytes=2**49)
    for method in ("mmap", "pread"):
        reader = ShardReader(dataset, "train", method=method)
        with bad_item("shard-truncated"):
            reader.read(1, "mp4")
    with user_error("invalid"):
        count_dataset(dataset)


def facts(**changes):
    content = {"video_id": "a", "start_s": 0, "duration_s": 10, "source": {"file_start_s": 0}}
    return json.dumps({**content, **changes}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[" * 100_000,
        b"[]",
        facts(video_id="../a"),
        facts(video_id=5),
        facts(start_s=-1),
        facts(start_s=HUGE),
        facts(start_s="0"),
        facts(duration_s=HUGE),
        facts(duration_s=float("nan")),
        facts(duration_s=0),
        facts(source=None),
        facts(source={"file_start_s": 0, "title": ["x"]}),
        facts(source={"file_start_s": 0, "upload_date": 20200101}),
        facts(width=10**9),
        facts(fps=0),
        facts(sample_rate_hz=1e300),
        facts(quality=5),
        facts(quality={"level_dbfs": float("inf")}),
        facts(quality={"level_dbfs": "loud"}),
        facts(conversion={"video": {"height": -1}}),
        facts(conversion={"sound": {"doubts": [{}]}}),
        facts(conversion={"sound": {"doubts": 3}}),
        facts(more="x" * MAX_FACTS_BYTES),
    ],
)
def test_facts_of_a_clip_that_cannot_be_are_told_in_one_line(tmp_path, content):
    with pytest.raises(ValueError) as caught:
        parse_facts(content)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    with ShardWriter(tmp_path / "clips-000000.tar") as writer:
        writer.add("a-00000", {"flac": b"", "json": content, "mp4": b""})
    with user_error("invalid"):
        clip_rows(tmp_path / "clips-000000.tar")


def tar_of(*entries, format=tarfile.PAX_FORMAT):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as tar:
        for entry in entries:
            tar.addfile(entry, io.BytesIO(bytes(entry.size)))
    return bytearray(buffer.getvalue())


def member(name="a-00000.mp4", kind=tarfile.REGTYPE, **more):
    entry = tarfile.TarInfo(name)
    entry.type = kind
    for field, value in more.items():
        setattr(entry, field, value)
    return entry


def with_size(field):
    """Return a tar whose first header states its size otherwise, with the right sum."""
    tar = tar_of(member(size=1000))
    tar[124:136] = field
    tar[148:156] = b" " * 8
    tar[148:156] = b"%06o\0 " % sum(tar[:512])
    return tar


@pytest.mark.parametrize(
    "content",
    [
        tar_of(member(kind=tarfile.SYMTYPE, linkname="/etc/passwd")),
        tar_of(member(kind=tarfile.LNKTYPE, linkname="a-00001.mp4")),
        tar_of(member(kind=tarfile.CHRTYPE)),
        tar_of(member(kind=tarfile.FIFOTYPE)),
        tar_of(member(kind=tarfile.DIRTYPE)),
        tar_of(member(kind=tarfile.GNUTYPE_SPARSE), format=tarfile.GNU_FORMAT),
        tar_of(member(pax_headers={"size": "9" * 4000})),
        tar_of(member(pax_headers={"GNU.sparse.map": "x"})),
        tar_of(member(name="a" * 150 + ".mp4")),
        tar_of(member(name="a-00000.mp4\N{RIGHT-TO-LEFT OVERRIDE}")),
        with_size(b"\xff" * 12),  # minus one: a loop for ever where tarfile reads it
        with_size(b"\x80" + b"\xff" * 11),
        with_size(b"77777777777\0"),
        with_size(b"-0000000001\0"),
        tar_of(*(member(f"a-00000.{n}") for n in range(MAX_MEMBERS + 1))),
        b"",
        bytes(512),
        b"\xff" * 5000,
    ],
)
def test_a_tar_with_anything_but_samples_is_one_line(tmp_path, content):
    (tmp_path / "x.tar").write_bytes(content)
    with user_error("invalid"):
        list(scan_shard(tmp_path / "x.tar"))
