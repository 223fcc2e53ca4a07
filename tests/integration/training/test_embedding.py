"""Features of a whole dataset from a trained model."""

import json
import shutil

import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from helpers.errors import user_error

import avsa
from avsa.commands.embed import command as embed_command
from avsa.evals.features import EmbedConfig, embed_dataset
from yt360.config import to_mapping


def keys_of(features):
    return sorted(set(pq.read_table(features)["key"].to_pylist()))


@pytest.fixture(scope="module")
def embedded(undisturbed, data, tmp_path_factory):
    out = tmp_path_factory.mktemp("features") / "features.parquet"
    arguments = [data, "--checkpoint", undisturbed[1], "--out", out, "--split", "train"]
    result = CliRunner().invoke(embed_command, list(map(str, arguments)), catch_exceptions=False)
    assert "64 rows" in result.output
    return arguments, out


def test_a_dataset_is_embedded_a_row_for_each_clip_and_view(embedded):
    table = pq.read_table(embedded[1])
    assert len(set(zip(*(table[name].to_pylist() for name in ("key", "view")), strict=True))) == 64
    assert sorted(set(table["azimuth_deg"].to_pylist())) == pytest.approx([-180, -90, 0, 90])
    features = torch.tensor(table["video"].to_pylist())
    assert features.shape == (64, 4)
    assert features.std() > 0


def test_a_name_of_another_kind_of_file_is_refused(data):
    arguments = [str(data), "--checkpoint", "none", "--out", "features.csv"]
    with user_error("invalid", "--out"):
        CliRunner().invoke(embed_command, arguments, catch_exceptions=False)


def test_joint_columns_give_the_similarity_of_the_views_of_a_clip(embedded, undisturbed, data):
    table = pq.read_table(embedded[1], filters=[("key", "=", keys_of(embedded[1])[5])])
    joint = [torch.tensor(table[name].to_pylist()) for name in ("video_joint", "audio_joint")]
    assert torch.allclose(joint[0].norm(dim=-1), torch.ones(4))
    model = avsa.load(undisturbed[1])
    features = [torch.tensor(table[name].to_pylist())[None] for name in ("video", "audio")]
    video, audio = model.joint_embeddings(*features)
    torch.testing.assert_close(joint[0] @ joint[1].T, video[0] @ audio[0].T)


def test_the_file_says_what_it_was_made_from(embedded, undisturbed):
    facts = json.loads(pq.read_schema(embedded[1]).metadata[b"avsa"])
    assert facts["weights_sha256"] == avsa.load(undisturbed[1]).weights_hash()
    assert facts["step"] == 10 and facts["split"] == "train" and facts["num_views"] == 4
    assert facts["dataset"]["clips"].startswith("16 clips (")
    assert facts["recipe"] == to_mapping(undisturbed[0])


def test_a_dataset_of_another_form_than_the_model_takes_is_not_embedded(
    undisturbed, data, tmp_path
):
    model = avsa.load(undisturbed[1])
    model.fps = 30
    with user_error("conflict", "--fps"):
        embed_dataset(model, data, tmp_path / "features.parquet", EmbedConfig())
    assert not list(tmp_path.iterdir())


def test_clips_of_which_none_can_be_read_give_no_file(undisturbed, data, tmp_path):
    damaged = shutil.copytree(data, tmp_path / "damaged")
    for shard in damaged.glob("test/*.tar"):
        shard.unlink()
    model, out = avsa.load(undisturbed[1]), tmp_path / "features.parquet"
    with user_error("empty", "--split"):
        embed_dataset(model, damaged, out, EmbedConfig())
    assert list(tmp_path.iterdir()) == [damaged]


def test_features_are_the_same_bytes_again_and_close_in_other_batches(embedded, tmp_path):
    arguments, out = embedded
    for name, extra in (("again.parquet", []), ("batches.parquet", ["--batch-size", "3"])):
        arguments[4] = tmp_path / name
        CliRunner().invoke(embed_command, [*map(str, arguments), *extra], catch_exceptions=False)
    assert (tmp_path / "again.parquet").read_bytes() == out.read_bytes()
    tables = [pq.read_table(path) for path in (out, tmp_path / "batches.parquet")]
    assert tables[0]["key"].to_pylist() == tables[1]["key"].to_pylist()
    for name in ("video", "audio"):
        ours, theirs = (torch.tensor(table[name].to_pylist()) for table in tables)
        torch.testing.assert_close(ours, theirs)
