from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
from helpers.errors import user_error

from yt360.errors import UserError
from yt360.shards.format.columns import table_rows
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.shards.format.index import rebuild_index
from yt360.shards.format.index_file import read_index
from yt360.shards.format.scan import scan_shard
from yt360.shards.format.writer import ShardWriter


def slow_rows(dataset: Path, split: str) -> list[dict]:
    """The index by tarfile's own random access, member by member."""
    rows = []
    for shard in sorted((dataset / split).glob("clips-*.tar")):
        with tarfile.open(shard) as tar:
            for name in [name for name in tar.getnames() if name.endswith(".json")]:
                key = name.removesuffix(".json")
                facts = json.load(tar.extractfile(name))
                row = {
                    "key": key,
                    "video_id": facts["video_id"],
                    "start_s": facts["start_s"],
                    "duration_s": facts["duration_s"],
                    "file_start_s": facts["source"]["file_start_s"],
                    "shard": shard.name,
                }
                for member in ("flac", "json", "mp4"):
                    entry = tar.getmember(f"{key}.{member}")
                    row[f"{member}_offset"] = entry.offset_data
                    row[f"{member}_bytes"] = entry.size
                rows.append(row)
    return rows


def test_the_index_says_what_the_tars_hold(fake, dataset, tmp_path):
    for split in ("train", "test"):
        expected = slow_rows(dataset, split)
        index = read_index(dataset / split, DatasetInfo.load(dataset).splits[split])
        assert index.to_pylist() == expected
        assert [vars(row) for row in table_rows(index)] == expected


def test_a_rebuilt_index_has_the_same_bytes(fake, dataset):
    before, keys = fake.tree(dataset), fake.keys(dataset)
    for split in keys:
        (dataset / split / "index.parquet").unlink()
    assert rebuild_index(dataset) == {split: len(found) for split, found in keys.items()}
    assert fake.tree(dataset) == before


def test_a_rebuild_leaves_a_right_index_untouched(dataset):
    index = dataset / "train" / "index.parquet"
    before = index.stat().st_ino, index.stat().st_mtime_ns
    rebuild_index(dataset)
    assert (index.stat().st_ino, index.stat().st_mtime_ns) == before


def test_a_rebuild_needs_every_listed_shard(dataset):
    (dataset / "train" / "clips-000000.tar").unlink()
    with user_error("missing"):
        rebuild_index(dataset)


def test_a_missing_damaged_or_foreign_index_says_how_to_mend_it(fake, dataset, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    info = DatasetInfo.load(dataset).splits["train"]
    index = dataset / "train" / "index.parquet"
    pq.write_table(pa.table({"key": ["a"]}), index)
    with user_error("invalid"):
        read_index(index.parent, info)
    index.write_bytes(b"PAR1 no more")
    with user_error("invalid"):
        read_index(index.parent, info)
    index.unlink()
    with user_error("missing"):
        read_index(index.parent, info)


def test_a_tar_cut_at_any_block_is_no_whole_tar(fake, dataset, tmp_path):
    shard = dataset / "train" / "clips-000000.tar"
    content = shard.read_bytes()
    end = max(
        offset + size for sample in scan_shard(shard) for offset, size in sample.members.values()
    )
    cut = tmp_path / "cut.tar"
    for length in {0, 1, 511, 512, 5000, 51_200, end - 600, end - 1, end, end + 700}:
        cut.write_bytes(content[:length])
        with user_error("invalid", key=cut):
            list(scan_shard(cut))


def test_damage_in_a_header_is_not_taken_for_the_end(fake, dataset, tmp_path):
    shard = dataset / "train" / "clips-000000.tar"
    content = bytearray(shard.read_bytes())
    second = list(scan_shard(shard))[1].members["flac"][0] - 512
    content[second + 10] ^= 1
    shard.chmod(0o644)
    shard.write_bytes(content)
    with pytest.raises(UserError, match=f"damaged at byte {second}"):
        list(scan_shard(shard))


@pytest.mark.parametrize("name", ["../../evil.mp4", "/evil.mp4", "a/b.mp4", "noend", ".mp4"])
def test_members_that_are_no_samples_are_refused(tmp_path, name):
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo(name))
    with user_error("invalid", key=tmp_path / "x.tar"):
        list(scan_shard(tmp_path / "x.tar"))


def test_shards_packed_anew_are_read_in_ustar_and_gnu_format(dataset, tmp_path):
    shard = dataset / "train" / "clips-000000.tar"
    (tmp_path / "members").mkdir()
    with tarfile.open(shard) as tar:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            (tmp_path / "members" / member.name).write_bytes(content.read())
    for name, kind in (("ustar", tarfile.USTAR_FORMAT), ("gnu", tarfile.GNU_FORMAT)):
        with tarfile.open(tmp_path / name, "w", format=kind) as tar:
            for path in sorted((tmp_path / "members").iterdir()):
                tar.add(path, path.name)
        assert [sample.key for sample in scan_shard(tmp_path / name)] == [
            sample.key for sample in scan_shard(shard)
        ]


def test_extended_headers_are_refused_with_the_way_to_write_none(tmp_path):
    (tmp_path / "a-00000.mp4").touch()
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        entry = tarfile.TarInfo("a-00000.mp4")
        entry.mtime = 0.5  # type: ignore[assignment]  # as `TarFile.add` takes it from the disk
        tar.addfile(entry)
    with pytest.raises(UserError, match=r"extended header.*--format=ustar"):
        list(scan_shard(tmp_path / "x.tar"))


def test_links_are_refused(tmp_path):
    entry = tarfile.TarInfo("a-00000.mp4")
    entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.addfile(entry)
    with user_error("invalid", key=tmp_path / "x.tar"):
        list(scan_shard(tmp_path / "x.tar"))


def facts(**changes):
    content = {"video_id": "a", "start_s": 0, "duration_s": 10, "source": {"file_start_s": 0}}
    return json.dumps({**content, **changes}).encode()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"mp4": b"", "json": facts()}, "expected are"),
        ({"mp4": b"", "flac": b"", "json": b"{"}, "is invalid"),
        ({"mp4": b"", "flac": b"", "json": b"[]"}, "is invalid"),
        ({"mp4": b"", "flac": b"", "json": b"{}"}, "is invalid: video_id"),
        ({"mp4": b"", "flac": b"", "json": facts(start_s=10)}, "describes another clip"),
        ({"mp4": b"", "flac": b"", "json": facts(source=3)}, "is invalid"),
    ],
)
def test_clips_that_are_not_as_the_format_says_are_refused(tmp_path, members, message):
    from yt360.shards.format.index import clip_rows

    with ShardWriter(tmp_path / "clips-000000.tar") as writer:
        writer.add("a-00000", members)
    with pytest.raises(UserError, match=message):
        clip_rows(tmp_path / "clips-000000.tar")


@pytest.mark.parametrize("url", ["s3://bucket/set", "https://example.org/set"])
def test_a_url_is_no_folder_of_a_dataset(url):
    with user_error("unsupported", url):
        DatasetInfo.load(Path(url))
