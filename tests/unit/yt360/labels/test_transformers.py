"""Panoptic models of the transformers library: tiny ones with random weights."""

import json
import shutil
from importlib.util import find_spec

import pytest
import torch
from helpers.errors import bad_item
from helpers.segmenters import make_segmenter
from safetensors.torch import load_file, save_file

from yt360.errors import UserError
from yt360.labels.classes import NO_CLASS
from yt360.labels.segmenters.base import ImageOrigin

if find_spec("transformers") is None:
    pytest.skip("needs the extra labels-transformers of this package", allow_module_level=True)

LABELS = ["person", "traffic_light", "tree-merged", "wall-other-merged", "window-other"]
WANTED = {0, 9, 117, 132, 116, NO_CLASS}


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def pictures(number):
    generator = torch.Generator().manual_seed(0)
    shape = (number, 40, 60, 3)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def sources(number):
    return [ImageOrigin("clip-00000", float(n)) for n in range(number)]


def make(folder, **options):
    return make_segmenter("transformers", model=str(folder), **options)


@pytest.fixture(scope="module")
def transformers():
    """The library, whose import is slow."""
    import transformers

    return transformers


@pytest.fixture
def backbone(transformers):
    return transformers.SwinConfig(
        image_size=32, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=2,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )  # fmt: skip


@pytest.fixture
def mask2former(tmp_path, transformers, backbone):
    """A folder with a Mask2Former that knows five classes of COCO panoptic."""
    config = transformers.Mask2FormerConfig(
        backbone_config=backbone, feature_size=32, mask_feature_size=32, hidden_dim=32,
        encoder_feedforward_dim=16, encoder_layers=1, decoder_layers=2, num_attention_heads=2,
        dim_feedforward=16, num_queries=6, id2label=dict(enumerate(LABELS)),
    )  # fmt: skip
    model = transformers.Mask2FormerForUniversalSegmentation(config)
    with torch.no_grad():  # sure of something, or every query would say "no object"
        model.class_predictor.weight.mul_(60)
        model.class_predictor.bias[-1] = -20.0
    folder = tmp_path / "mask2former"
    model.save_pretrained(folder)
    transformers.Mask2FormerImageProcessor(
        size={"height": 32, "width": 32}, ignore_index=255
    ).save_pretrained(folder)
    return folder


@pytest.fixture
def oneformer(tmp_path, transformers, backbone):
    """A folder with a OneFormer, which is told its task in words."""
    letters = "abcdefghijklmnopqrstuvwxyz "
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{each}</w>" for each in letters)]
    files = {
        "vocab.json": json.dumps({word: number for number, word in enumerate(words)}),
        "merges.txt": "#version: 0.2\n",
        "info.json": json.dumps(
            {str(n): {"name": name, "isthing": int(n < 2)} for n, name in enumerate(LABELS)}
        ),
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    tokenizer = transformers.CLIPTokenizer(
        str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt"), model_max_length=77
    )
    images = transformers.OneFormerImageProcessor(
        repo_path=str(tmp_path), class_info_file="info.json", num_text=4, num_labels=len(LABELS),
        size={"shortest_edge": 32, "longest_edge": 64}, ignore_index=255,
    )  # fmt: skip
    config = transformers.OneFormerConfig(
        backbone_config=backbone, hidden_dim=32, conv_dim=32, mask_dim=32,
        encoder_feedforward_dim=16, encoder_layers=1, decoder_layers=2, num_attention_heads=2,
        dim_feedforward=16, num_queries=6, query_dec_layers=1, id2label=dict(enumerate(LABELS)),
        text_encoder_width=16, text_encoder_num_layers=1, text_encoder_vocab_size=100,
        task_seq_len=77, text_encoder_context_length=77, text_encoder_n_ctx=2,
    )  # fmt: skip
    folder = tmp_path / "oneformer"
    transformers.OneFormerForUniversalSegmentation(config).save_pretrained(folder)
    transformers.OneFormerProcessor(
        image_processor=images, tokenizer=tokenizer, max_seq_length=77, task_seq_length=77
    ).save_pretrained(folder)
    return folder


def check(found):
    assert found.classes.shape == found.scores.shape == found.instances.shape == (40, 60)
    assert set(torch.unique(found.classes).tolist()) <= WANTED
    assert 0 <= float(found.scores.min()) <= float(found.scores.max()) <= 1
    assert ((found.instances > 0) == (found.classes < 80)).all()


def test_a_mask2former_segments_in_coco_numbers(mask2former):
    segmenter = make(mask2former)
    found = segmenter.segment(pictures(2), sources(2))
    assert len(found) == 2
    for answer in found:
        check(answer)
    assert any((answer.classes != NO_CLASS).any() for answer in found)
    assert segmenter.network_s > 0


def test_a_oneformer_is_asked_for_a_panoptic_answer(oneformer):
    segmenter = make(oneformer)
    asked = []
    segmenter._model.register_forward_pre_hook(
        lambda _, __, kwargs: asked.append(kwargs["task_inputs"]), with_kwargs=True
    )
    for answer in segmenter.segment(pictures(2), sources(2)):
        check(answer)
    wanted = segmenter._processor.tokenizer("the task is panoptic")["input_ids"]
    assert asked[0][0].tolist()[: len(wanted)] == wanted


def test_another_short_side_reaches_the_processor(mask2former):
    segmenter = make(mask2former, short_side=64)
    seen = []
    segmenter._model.register_forward_pre_hook(
        lambda _, __, kwargs: seen.append(kwargs["pixel_values"].shape), with_kwargs=True
    )
    segmenter.segment(pictures(1), sources(1))
    assert min(seen[0][-2:]) == 64


def test_pictures_of_few_rows_are_read_row_by_row(mask2former):
    segmenter = make(mask2former)
    seen = []
    segmenter._model.register_forward_pre_hook(
        lambda _, __, kwargs: seen.append(kwargs["pixel_values"]), with_kwargs=True
    )
    red = torch.zeros(2, 3, 40, 3, dtype=torch.uint8)
    red[..., 0] = 255
    segmenter.segment(red, sources(2))
    levels = seen[0].mean((0, 2, 3))
    assert levels[0] > levels[1:].max() + 1
    assert seen[0].std((0, 2, 3)).max() < 1e-3


def test_a_picture_that_is_too_thin_for_the_processor_is_a_bad_item(mask2former):
    segmenter = make(mask2former, short_side=80, long_side=133)
    with bad_item("unfit-size", "5000x1"):
        segmenter.segment(torch.zeros(1, 1, 5000, 3, dtype=torch.uint8), sources(1))


def test_models_of_other_classes_are_refused(mask2former):
    config = mask2former / "config.json"
    config.write_text(config.read_text().replace("tree-merged", "skyscraper"))
    with pytest.raises(UserError, match=r"1 classes that COCO panoptic lacks .skyscraper"):
        make(mask2former)


def rewritten(folder, change):
    """Change the weights of a model in its file."""
    path = folder / "model.safetensors"
    weights = load_file(path)
    change(weights)
    save_file(weights, path, metadata={"format": "pt"})


def test_weights_that_do_not_fit_are_refused(mask2former):
    """The library itself would warn, and leave those parameters random."""

    def damage(weights):
        del weights["class_predictor.bias"]
        weights["class_predictor.weight"] = torch.zeros(3, 32)

    rewritten(mask2former, damage)
    with pytest.raises(UserError, match=r"1 missing, 1 of another shape \(class_predictor.bias, "):
        make(mask2former)


def test_what_only_training_needs_may_be_missing(mask2former):
    rewritten(mask2former, lambda weights: weights.pop("criterion.empty_weight"))
    make(mask2former)


def test_damaged_weights_are_told_in_one_line(mask2former):
    (mask2former / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(UserError, match="no panoptic model could be loaded from") as caught:
        make(mask2former)
    assert "\n" not in str(caught.value)


def test_facts_follow_the_weights_and_not_the_folder_s_name(mask2former, transformers, tmp_path):
    facts = make(mask2former).facts
    other = shutil.copytree(mask2former, tmp_path / "elsewhere")
    assert make(other).facts == {**facts, "model": str(other)}

    def change(weights):
        weights["class_predictor.bias"][0] += 1

    rewritten(other, change)
    assert make(other).facts["checkpoint"] != facts["checkpoint"]
    assert facts["version"] == transformers.__version__
    assert facts["threshold"] == 0.5


def test_a_folder_without_a_model_is_told(tmp_path):
    with pytest.raises(UserError, match="no panoptic model could be loaded"):
        make(tmp_path)
