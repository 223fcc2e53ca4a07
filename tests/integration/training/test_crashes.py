"""Clips that crash their decoder cost a run nothing but those clips."""

import math
import shutil

import pyarrow.parquet as pq
import pytest

import avsa
from avsa.data.decoder_pool import DECODERS
from avsa.evals.features import EmbedConfig, embed_dataset
from avsa.training.loop import train
from avsa.training.metrics_log import read_log
from yt360.shards.format.reader import ShardReader

BAD = 2


@pytest.fixture
def crashing(data, tmp_path, monkeypatch):
    """A dataset in which the audio of one clip is a mark that crashes the decoder."""
    from helpers import fatal_decoder

    DECODERS.close()
    monkeypatch.setattr(DECODERS, "reader", "helpers.fatal_decoder:FatalReader")
    folder = shutil.copytree(data, tmp_path / "crashing")
    row = ShardReader(folder, "train").rows[BAD]
    with (folder / "train" / row.shard).open("r+b") as shard:
        shard.seek(row.flac_offset)
        flac = shard.read(row.flac_bytes)
        shard.seek(row.flac_offset)
        shard.write(fatal_decoder.marked(flac, fatal_decoder.CRASH))
    yield folder
    DECODERS.close()


def test_training_replaces_the_clip(tiny_config, alone, data, crashing, tmp_path, caplog):
    config = tiny_config("avc", steps=8)
    for name, folder in (("whole", data), ("crashing", crashing)):
        train(config, folder, tmp_path / "runs" / name, alone, log_keys=True)
    (bad,) = ShardReader(crashing, "train").keys[BAD : BAD + 1]
    whole, replaced = (read_log(tmp_path / "runs" / name) for name in ("whole", "crashing"))
    drawn = sum(record["keys"].count(bad) for record in whole)
    assert replaced[-1]["failed_reads"] >= drawn > 0  # batches are made ahead of use
    for ours, theirs in zip(replaced, whole, strict=True):
        assert bad not in ours["keys"] and math.isfinite(ours["loss"])
        assert [a for a, b in zip(ours["keys"], theirs["keys"], strict=True) if b != bad] == [
            b for b in theirs["keys"] if b != bad
        ]
    assert caplog.text.count(f"clip {bad} cannot be read: crash:") == 1


def test_embedding_leaves_the_clip_out(undisturbed, crashing, tmp_path, caplog):
    out = tmp_path / "features.parquet"
    embed_dataset(avsa.load(undisturbed[1]), crashing, out, EmbedConfig(split="train"))
    keys = ShardReader(crashing, "train").keys
    embedded = dict.fromkeys(pq.read_table(out)["key"].to_pylist())
    assert list(embedded) == keys[:BAD] + keys[BAD + 1 :]
    assert caplog.text.count(f"clip {keys[BAD]} cannot be read: crash:") == 1
