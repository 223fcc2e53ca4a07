"""Which data and options the evaluation takes, and what it refuses."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from helpers.errors import user_error

from avsa.evals.base import Offer
from avsa.evals.segmentation.config import SegmentationConfig
from avsa.evals.segmentation.targets import TargetReader
from avsa.evals.subject import Evaluated
from yt360.labels.classes import number_of
from yt360.labels.format.label_set import LabelSet
from yt360.labels.format.maps import encode_labels
from yt360.labels.format.shard_file import label_shard
from yt360.shards.format.writer import ShardWriter


def test_labels_are_part_of_the_identity_of_the_data(context, tmp_path):
    dataset, config = shutil.copytree(context.dataset, tmp_path / "dataset"), SegmentationConfig()

    def described():
        data = config.describe_data(context.subject, dataset)
        return {name: data[f"labels of {name}"] for name in ("train", "test")}

    first = described()
    (dataset / "labels-panoptic.json").write_text(
        (dataset / "labels-panoptic.json").read_text().replace('"truth"', '"other"')
    )
    made_otherwise = described()
    for shard in (dataset / "test").glob("panoptic-*.tar"):
        shard.unlink()
    fewer = described()
    assert first["train"] != made_otherwise["train"] == fewer["train"]
    assert len({first["test"], made_otherwise["test"], fewer["test"]}) == 3


def test_a_split_without_labels_is_refused(context, tmp_path):
    dataset = shutil.copytree(context.dataset, tmp_path / "dataset")
    for shard in (dataset / "train").glob("panoptic-*.tar"):
        shard.unlink()
    with user_error("empty", "--labels"):
        TargetReader(dataset, "train", "panoptic").require_classes()


def test_options_of_another_model_are_refused_before_its_record_or_weights_are_sought(context):
    with user_error("conflict", "--kinetics-weights"):
        SegmentationConfig(kinetics_weights=Path("x")).describe_data(
            context.subject, context.dataset
        )
    with user_error("unsupported", "--inputs"):
        SegmentationConfig(inputs="video+audio", kinetics_weights=Path("x")).describe_data(
            Evaluated("kinetics", None), context.dataset
        )


def test_labels_must_be_there_and_have_the_classes(scene_dataset, tmp_path, context):
    dataset = tmp_path / "dataset"
    shutil.copytree(scene_dataset.dataset, dataset)
    with user_error("missing", "--labels"):
        SegmentationConfig(labels="other").describe_data(context.subject, dataset)
    LabelSet(name="other", fps=4, height=8, width=16, made_by={}).create(dataset)
    maps = np.full((12, 8, 16), number_of("giraffe"), np.uint8)
    shard = next((dataset / "train").glob("clips-*.tar"))
    keys = TargetReader(dataset, "train", "panoptic").keys
    with ShardWriter(label_shard(shard, "other")) as writer:
        for key in keys:
            writer.add(key, {"other.npz": encode_labels(maps)})
    with user_error("empty", "--labels"):
        SegmentationConfig(labels="other").evaluate(replace(context, dataset=dataset))


def test_variants_say_what_they_lack(context, scene_dataset):
    lacks = {
        variant.options["inputs"]: variant.lacks
        for variant in SegmentationConfig.variants(Offer(subject=context.subject))
    }
    assert len(lacks) == 3 and all(lacks.values())
    offer = Offer(subject=context.subject, dataset=scene_dataset.dataset)
    assert not any(variant.lacks for variant in SegmentationConfig.variants(offer))
    kinetics = replace(offer, subject=Evaluated("kinetics", None))
    assert [v.options for v in SegmentationConfig.variants(kinetics)] == [{"inputs": "video"}]
    scratch = replace(offer, subject=Evaluated("scratch", None))
    assert all(v.options["end_to_end"] for v in SegmentationConfig.variants(scratch))
