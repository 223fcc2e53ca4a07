"""Datasets from servers and people who want to write, read or stop what is not theirs."""

from __future__ import annotations

import hashlib
import json
import posixpath
import shutil
from contextlib import closing, suppress

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avsa.data.clips import clips_form, open_clips
from avsa.data.remote.mirror import REMOTE_FILE, mirror, read_remote
from avsa.views.audio_statistics import load_statistics
from avsa.views.spectrogram import AudioConfig
from yt360.errors import BadItem, UserError
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.shards.format.reader import ShardReader
from yt360.shards.format.schema import AUDIO_STATS_FILE, INDEX_FILE

PLANTED = b"import os"
NAMES = [
    "../../../victim/x.pth",
    "../../../victim/clips-000000.tar",
    "..",
    "/nowhere/x.pth",
    "x.pth",
    "clips-000000.tar/../../../../victim/x.pth",
    "clips-000000.tar\n",
    "clips-0000000.tar",
    "panoptic-000000.tar",
    ".clips-000000.tar",
    "",
]


def announce(dataset, name):
    """Let ``dataset.json`` give the first training shard another name, and the sum of `PLANTED`."""
    path = dataset / "dataset.json"
    content = json.loads(path.read_text())
    shard = content["splits"]["train"]["shards"][0]
    shard |= {"name": name, "bytes": len(PLANTED), "sha256": hashlib.sha256(PLANTED).hexdigest()}
    path.write_text(json.dumps(content))


def change_index(dataset, **columns):
    """Set columns of the training index, in its first row, to other values."""
    path = dataset / "train" / INDEX_FILE
    table = pq.read_table(path, partitioning=None)
    for name, value in columns.items():
        number = table.schema.names.index(name)
        values = [value, *table.column(name).to_pylist()[1:]]
        column = pa.array(values, table.schema.field(name).type)
        table = table.set_column(number, table.schema.field(name), column)
    pq.write_table(table, path)


def files_in(*folders):
    return {path for folder in folders for path in folder.rglob("*")}


@pytest.mark.parametrize("name", NAMES)
def test_a_server_cannot_choose_where_its_shards_are_written(server, tmp_path, name):
    announce(server.folder, name)
    change_index(server.folder, shard=name)
    served = server.folder.parent / posixpath.normpath(f"/set/train/{name}").lstrip("/")
    if not served.is_dir():
        with suppress(OSError):  # the name of a folder, say
            served.parent.mkdir(parents=True, exist_ok=True)
            served.unlink(missing_ok=True)
            served.write_bytes(PLANTED)
    (tmp_path / "victim").mkdir()
    before = files_in(tmp_path)
    with (
        pytest.raises(UserError, match=r"dataset.json is damaged: splits.train.shards.0.name: "),
        closing(open_clips(mirror(server.url, tmp_path / "cache", 10**9), "train")) as clips,
    ):
        clips.read(0, "json")
    written = files_in(tmp_path) - before
    assert all(path.is_relative_to(tmp_path / "cache") for path in written)
    assert not any(path.is_file() and path.read_bytes() == PLANTED for path in written)


@pytest.mark.parametrize("name", NAMES)
def test_an_index_cannot_name_a_file_elsewhere(origin, tmp_path, name):
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "x.pth").write_bytes(PLANTED)
    dataset = shutil.copytree(origin, tmp_path / "a" / "b" / "set")
    change_index(dataset, shard=name, json_offset=0, json_bytes=1)
    with pytest.raises((UserError, BadItem), match=r"does not list the shard|longer than"):
        ShardReader(dataset, "train").read(0, "json")


def test_an_index_alone_cannot_make_a_mirror_fetch_something_else(server, tmp_path):
    change_index(server.folder, shard=NAMES[0])
    folder = mirror(server.url, tmp_path / "cache", 10**9)
    with pytest.raises(UserError, match=r"does not list the shard .*try again"):
        open_clips(folder, "train")


@pytest.mark.parametrize(
    "content",
    [
        [],
        {"url": "http://127.0.0.1/set"},
        {"url": None, "cache_bytes": 1},
        {"url": "../elsewhere", "cache_bytes": 1},
        {"url": "HTTP:/127.0.0.1/set", "cache_bytes": 1},
        {"url": "http://127.0.0.1/set", "cache_bytes": -1},
        {"url": "http://127.0.0.1/set", "cache_bytes": 10**400},
    ],
)
def test_a_mirror_is_of_an_address_and_has_a_size(tmp_path, content):
    (tmp_path / REMOTE_FILE).write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"remote.json is damaged"):
        read_remote(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"spectrogram": None},
        {"spectrogram": {"n_mels": "2"}},
        {"spectrogram": {"n_mels": 3}},
        {"mean_db": ["1", 2]},
        {"mean_db": [10**400, 1]},
        {"mean_db": [1e300, 1]},
        {"std_db": [-1, 1]},
        {"std_db": [1e-300, 1]},
        {"std_db": {}},
        {"samples": "x"},
    ],
)
def test_statistics_that_cannot_be_are_told(tmp_path, changes):
    entry = {"spectrogram": {"n_mels": 2}, "samples": 1, "seed": 0, "mean_db": [1, 2.5]}
    content = {"format_version": 1, "stats": [{**entry, "std_db": [1, 1], **changes}]}
    (tmp_path / AUDIO_STATS_FILE).write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"is damaged \(stats.0.*remove it and run"):
        load_statistics(tmp_path, AudioConfig())


@pytest.mark.parametrize(
    "form", [None, [], {"width": "640"}, {"fps": 1e300}, {"width": 10**9, "height": 10**9 // 2}]
)
def test_a_form_of_clips_that_cannot_be_is_told(form):
    with pytest.raises(UserError, match=r"options\.form|height is"):
        clips_form(DatasetInfo(options={"form": form}))
