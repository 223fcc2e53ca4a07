from __future__ import annotations

import json
import shutil
from pathlib import Path

from helpers.errors import user_error
from helpers.in_process import InlinePool

from yt360.shards.check.dataset import check_dataset
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.shards.format.index import index_table, write_index
from yt360.shards.format.reader import ShardReader
from yt360.shards.format.writer import ShardWriter
from yt360.splits import SPLITS


def rewrite(path: Path, change) -> None:
    content = bytearray(path.read_bytes())
    change(content)
    path.chmod(0o644)
    path.write_bytes(content)


def the_only_fault(fake, dataset: Path) -> str:
    faults = fake.faults(dataset)
    assert len(faults) == 1, faults
    return faults[0]


def test_statistics_a_readme_and_other_files_beside_the_splits_are_no_fault(fake, dataset):
    for name in ("audio_stats.json", "README.md", "make.sh"):
        (dataset / name).write_text("{}")
    assert fake.faults(dataset) == []


def test_one_flipped_bit_is_found(fake, dataset):
    reader = ShardReader(dataset, "train")
    offset, size = reader.rows[1].byte_range("mp4")

    def flip(content: bytearray) -> None:
        content[offset + size // 2] ^= 4

    rewrite(dataset / "train" / reader.rows[1].shard, flip)
    assert "SHA-256" in the_only_fault(fake, dataset)


def test_faults_are_in_the_order_of_shards_and_clips_whichever_worker_is_first(dataset):
    clips = [
        (dataset / split / row.shard, row)
        for split in SPLITS
        for row in ShardReader(dataset, split).rows
    ]
    first = {path: row.byte_range("mp4")[0] for path, row in reversed(clips)}
    for path, offset in first.items():
        rewrite(path, lambda content, offset=offset: content.__setitem__(offset, 255))
    faults = list(check_dataset(dataset, make_pool=InlinePool))  # it runs the last task first
    shards = list(dict.fromkeys(str(path) for path, _ in clips))
    assert len(shards) > 1
    assert [fault.partition(":")[0] for fault in faults if "SHA-256" in fault] == shards
    keys = [fault.partition(": clip ")[2].partition(":")[0] for fault in faults]
    assert [key for key in keys if key] == [row.key for _, row in clips]  # none is a real video


def test_a_truncated_shard_is_found(fake, dataset):
    rewrite(
        dataset / "train" / "clips-000000.tar",
        lambda content: content.__delitem__(slice(9000, None)),
    )
    faults = "\n".join(fake.faults(dataset))
    assert "has 9000 bytes, not" in faults
    assert "not a complete tar" in faults


def test_a_missing_shard_is_found(fake, dataset):
    (dataset / "train" / "clips-000000.tar").unlink()
    assert any("is missing; it is listed" in fault for fault in fake.faults(dataset))


def test_an_unlisted_shard_and_a_leftover_are_found(fake, dataset):
    shutil.copy(dataset / "train" / "clips-000000.tar", dataset / "train" / "clips-000099.tar")
    assert "clips-000099.tar: is not listed" in the_only_fault(fake, dataset)
    (dataset / "train" / "clips-000099.tar").rename(dataset / "train" / ".clips-000099.tar.7.tmp")
    assert "leftover of an interrupted write" in the_only_fault(fake, dataset)


def test_a_wrong_or_missing_index_is_found(fake, dataset):
    rows = ShardReader(dataset, "train").rows
    info = DatasetInfo.load(dataset).splits["train"]
    write_index(dataset / "train", index_table(rows[1:]), info)
    assert "index differs from its shards" in the_only_fault(fake, dataset)
    (dataset / "train" / "index.parquet").unlink()
    assert "has no index.parquet" in the_only_fault(fake, dataset)


def test_wrong_counts_are_found(fake, dataset):
    path = dataset / "dataset.json"
    content = json.loads(path.read_text())
    content["splits"]["test"]["videos"] += 1
    path.write_text(json.dumps(content))
    assert "dataset.json says" in the_only_fault(fake, dataset)


def test_an_unfinished_build_is_found(fake, dataset):
    (dataset / ".staging").mkdir()
    assert "build is unfinished" in the_only_fault(fake, dataset)


def replace_shard(dataset: Path, split: str, clips: list[tuple[str, dict]]) -> None:
    """Make a dataset whose only shard of `split` holds these clips, with sums that fit."""
    for old in (dataset / split).glob("*"):
        old.unlink()
    with ShardWriter(dataset / split / "clips-000000.tar") as writer:
        for key, members in clips:
            writer.add(key, members)
    path = dataset / "dataset.json"
    content = json.loads(path.read_text())
    videos = {key.rpartition("-")[0] for key, _ in clips}
    content["splits"][split] = {
        "clips": len(clips),
        "videos": len(videos),
        "duration_s": 10.0 * len(clips),
        "shards": [vars(writer.info)],
    }
    path.write_text(json.dumps(content))
    from yt360.shards.format.index import rebuild_index

    rebuild_index(dataset)


def clips_of(dataset: Path, split: str) -> list[tuple[str, dict]]:
    reader = ShardReader(dataset, split)
    return [
        (key, {name: bytes(reader.read(clip, name)) for name in ("mp4", "flac", "json")})
        for clip, key in enumerate(reader.keys)
    ]


def test_clips_out_of_order_are_found(fake, dataset):
    clips = clips_of(dataset, "test")
    replace_shard(dataset, "test", clips)
    assert fake.faults(dataset) == []
    replace_shard(dataset, "test", [clips[1], clips[0], *clips[2:]])
    assert "out of order" in the_only_fault(fake, dataset)


def test_a_video_in_both_splits_is_found(fake, dataset):
    train, test = clips_of(dataset, "train"), clips_of(dataset, "test")
    both = sorted([*test, train[0]])
    replace_shard(dataset, "test", both)
    video = train[0][0].rpartition("-")[0]
    assert f"video {video} is in both train and test" in the_only_fault(fake, dataset)


def test_label_shards_must_have_keys_of_their_clips_in_order(fake, dataset):
    rows = [row for row in ShardReader(dataset, "train").rows if row.shard == "clips-000000.tar"]
    labels = dataset / "train" / "panoptic-000000.tar"

    def write(keys: list[str]) -> None:
        with ShardWriter(labels) as writer:
            for key in keys:
                writer.add(key, {"panoptic.npz": b"x"})

    keys = [row.key for row in rows]
    for good in (keys, keys[::2], []):
        write(good)
        assert fake.faults(dataset) == []
    for bad in ([keys[1], keys[0]], ["other-00000"]):
        write(bad)
        assert "panoptic-000000.tar" in the_only_fault(fake, dataset)


def test_every_fault_stands_on_a_line_of_its_own(fake, dataset):
    for shard in dataset.glob("*/clips-*.tar"):
        rewrite(shard, lambda content: content.__setitem__(0, 0))
    faults = fake.faults(dataset)
    assert len(faults) > 4
    assert not any("\n" in fault for fault in faults)


def test_what_is_no_dataset_is_refused(fake, tmp_path):
    (tmp_path / "x").mkdir()
    with user_error("missing"):
        fake.faults(tmp_path / "x")


def test_dataset_info_survives_a_round_trip(dataset, tmp_path):
    info = DatasetInfo.load(dataset)
    info.save(tmp_path)
    assert DatasetInfo.load(tmp_path) == info
    assert (tmp_path / "dataset.json").read_bytes() == (dataset / "dataset.json").read_bytes()
