from __future__ import annotations

import tarfile
from hashlib import sha256
from itertools import pairwise

import pytest
import webdataset
from helpers.errors import user_error
from hypothesis import given, settings
from hypothesis import strategies as st

from yt360.shards.format.scan import scan_shard
from yt360.shards.format.writer import ShardWriter, member_bytes

SAMPLES = {
    "-a_b-00000": {"mp4": b"picture", "flac": b"", "json": b"{}"},
    "kqAZkf5Odyw-00080": {"panoptic.npz": bytes(1000)},
}


def write(path, samples=SAMPLES):
    with ShardWriter(path) as writer:
        for key, members in samples.items():
            writer.add(key, members)
    return writer.info


def test_the_bytes_depend_on_the_samples_alone(tmp_path):
    one = write(tmp_path / "one.tar")
    shuffled = {key: dict(reversed(members.items())) for key, members in SAMPLES.items()}
    other = write(tmp_path / "other.tar", shuffled)
    assert one.sha256 == other.sha256
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "other.tar").read_bytes()


def test_the_info_describes_the_file(tmp_path):
    info = write(tmp_path / "clips-000007.tar")
    content = (tmp_path / "clips-000007.tar").read_bytes()
    assert (info.name, info.clips) == ("clips-000007.tar", 2)
    assert (info.bytes, info.sha256) == (len(content), sha256(content).hexdigest())


def test_an_ordinary_tar_reader_finds_the_members_without_times_and_owners(tmp_path):
    write(tmp_path / "x.tar")
    with tarfile.open(tmp_path / "x.tar") as tar:
        found = {entry.name: tar.extractfile(entry).read() for entry in tar}
        marks = {(e.mtime, e.uid, e.gid, e.uname, e.gname, e.mode) for e in tar.getmembers()}
    assert found == {
        f"{key}.{suffix}": content
        for key, members in SAMPLES.items()
        for suffix, content in members.items()
    }
    assert list(found)[:3] == ["-a_b-00000.flac", "-a_b-00000.json", "-a_b-00000.mp4"]
    assert marks == {(0, 0, 0, "", "", 0o444)}


@settings(max_examples=25)
@given(st.lists(st.binary(max_size=1600), min_size=1, max_size=5))
def test_the_scan_agrees_with_the_bytes_and_sizes_are_foreseen(tmp_path_factory, contents):
    path = tmp_path_factory.mktemp("scan") / "x.tar"
    write(path, {f"k{number}": {"bin": content} for number, content in enumerate(contents)})
    raw = path.read_bytes()
    ranges = [sample.members["bin"] for sample in scan_shard(path)]
    assert [raw[offset : offset + size] for offset, size in ranges] == contents
    steps = [after[0] - before[0] for before, after in pairwise(ranges)]
    assert steps == [member_bytes(len(content)) for content in contents[:-1]]


def written_by_webdataset(path, samples):
    with webdataset.TarWriter(str(path), user="", group="", encoder=False, mtime=0) as tar:
        for key, members in samples.items():
            tar.write({"__key__": key, **members})
    return path.read_bytes()


KEYS = st.text("abcXYZ019_-", min_size=1, max_size=80)
SUFFIXES = st.sampled_from(["mp4", "flac", "json", "panoptic.npz"])
# Around the sizes of a block and of a record of 20 blocks, which ends an archive.
CONTENTS = st.integers(0, 12_000).map(bytes) | st.binary(max_size=1200)


@settings(max_examples=50)
@given(st.dictionaries(KEYS, st.dictionaries(SUFFIXES, CONTENTS), max_size=4))
def test_the_bytes_are_those_of_webdataset(tmp_path_factory, samples):
    folder = tmp_path_factory.mktemp("parity")
    write(folder / "ours.tar", samples)
    theirs = written_by_webdataset(folder / "theirs.tar", samples)
    assert (folder / "ours.tar").read_bytes() == theirs


def test_nothing_is_left_after_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="stop"), ShardWriter(tmp_path / "x.tar") as writer:
        writer.add("a-00000", {"mp4": bytes(100_000)})
        raise RuntimeError("stop")
    assert list(tmp_path.iterdir()) == []


def test_an_older_file_stays_when_writing_fails(tmp_path):
    (tmp_path / "x.tar").write_bytes(b"older")
    with user_error("invalid"), ShardWriter(tmp_path / "x.tar") as writer:
        writer.add("a.b", {"mp4": b""})
    assert (tmp_path / "x.tar").read_bytes() == b"older"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("key", "suffix"),
    [("", "mp4"), ("a.b", "mp4"), ("../a", "mp4"), ("a", "MP4"), ("a", "x/y"), ("a", ""),
     ("a", "__x__"), ("a" * 97, "mp4")],
)  # fmt: skip
def test_names_that_tar_readers_would_misread_are_refused(tmp_path, key, suffix):
    with user_error("invalid"), ShardWriter(tmp_path / "x.tar") as writer:
        writer.add(key, {suffix: b""})
