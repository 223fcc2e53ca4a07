"""The narrow network against detectron2's answers at every stage.

Two sums of the same numbers in another order differ by about 1e-5 of their size, and boxes of
nearly equal score may swap places; the tolerances below allow that and nothing more.
"""

import json

import numpy as np
import pytest
import torch
from helpers.paths import FIXTURES
from PIL import Image

from yt360.labels.panoptic_fpn import load_network
from yt360.labels.panoptic_fpn.merge import paste, to_output
from yt360.labels.panoptic_fpn.preprocess import network_size, to_network
from yt360.labels.panoptic_fpn.semantic import upsample

FIXTURE = FIXTURES / "panoptic"
SIZE = (213, 160)
PICTURE = (500, 375)


@pytest.fixture(scope="module")
def expected():
    return np.load(FIXTURE / "expected.npz")


@pytest.fixture(scope="module")
def network():
    return load_network(FIXTURE / "model_random.pkl")


@pytest.fixture(scope="module")
def picture():
    pixels = np.array(Image.open(FIXTURE / "noise_375x500.png").convert("RGB"))
    return torch.from_numpy(pixels)[None]


@pytest.fixture(scope="module")
def answer(network, picture):
    with torch.inference_mode():
        return network(to_network(picture, SIZE), SIZE)


def relative(actual, wanted):
    return np.linalg.norm(actual.numpy() - wanted) / np.linalg.norm(wanted)


def nearest(actual, wanted):
    """Distance from every wanted box to the closest actual box, worst corner, in pixels."""
    return np.abs(wanted[:, None] - actual.numpy()[None]).max(-1).min(1)


def test_input_size_and_padding_are_those_of_the_reference(picture, expected):
    assert network_size(*picture.shape[1:3], 160, 266) == tuple(expected["image_size"]) == SIZE
    x = to_network(picture, SIZE)
    assert x.shape[-2:] == tuple(expected["padded"])
    assert (x[:, :, SIZE[0] :] == 0).all()


@pytest.mark.parametrize("level", ["p4", "p5", "p6"])
def test_features(answer, expected, level):
    assert relative(answer.features[level], expected[f"fpn_{level}"]) < 5e-5


def test_proposals(answer, expected):
    boxes, logits = answer.proposals[0]
    assert boxes.shape == (1000, 4)
    assert (nearest(boxes, expected["proposal_boxes"]) < 0.05).mean() > 0.995
    assert np.abs(logits.numpy() - expected["proposal_logits"]).max() < 5e-4


def test_detections(answer, expected):
    found = answer.detections[0]
    assert np.abs(found.scores.numpy() - expected["det_scores"]).max() < 1e-4
    assert (nearest(found.boxes, expected["det_boxes"]) < 0.05).mean() >= 0.98
    assert (found.classes.numpy() == expected["det_classes"]).mean() >= 0.9
    masks = expected["det_mask_probs_first20"][:, 0]
    same = np.abs(found.boxes[:20].numpy() - expected["det_boxes"][:20]).max(1) < 0.05
    assert same.mean() >= 0.8
    assert np.abs(found.masks[:20].numpy() - masks)[same].max() < 5e-3


def test_masks_at_the_size_of_the_picture(answer, expected):
    found = to_output(answer.detections[0], SIZE, PICTURE)
    assert (nearest(found.boxes, expected["out_boxes"]) < 0.1).mean() >= 0.98
    areas = [
        int(paste(m, b, PICTURE)[0].sum()) for m, b in zip(found.masks, found.boxes, strict=True)
    ]
    wanted = np.sort(expected["mask_areas"].astype(np.int64))
    assert np.abs(np.sort(areas) - wanted).max() <= np.maximum(20, 0.01 * wanted).max()


def test_stuff(answer, expected):
    assert relative(answer.stuff[0, :8], expected["sem_logits_s4_ch0_7"]) < 5e-5
    label = upsample(answer.stuff[0], SIZE, PICTURE).argmax(0)
    assert (label.numpy() == expected["sem_argmax"]).mean() > 0.9995


def test_panoptic_map_and_segments(network, picture, expected):
    panoptic = network.segment(picture, short_side=160, long_side=266)[0]
    assert (panoptic.ids.numpy() == expected["panoptic_seg"]).mean() > 0.999
    wanted = json.loads((FIXTURE / "segments_info.json").read_text())
    assert len(panoptic.segments) == len(wanted)
    for segment, reference in zip(panoptic.segments, wanted, strict=True):
        assert segment.id == reference["id"]
        assert segment.is_thing == reference["isthing"]
        assert segment.category == reference["category_id"]
        assert segment.area == int((panoptic.ids == segment.id).sum())
        if segment.is_thing:
            assert segment.score == pytest.approx(reference["score"], abs=1e-4)
        else:
            assert segment.area == pytest.approx(reference["area"], rel=0.002)


def test_pictures_of_one_size_in_a_batch_get_the_answers_they_get_alone(network, picture):
    other = picture.flip(2)
    together = network.segment(torch.cat([picture, other]), short_side=160, long_side=266)
    for one, batched in zip((picture, other), together, strict=True):
        alone = network.segment(one, short_side=160, long_side=266)[0]
        assert (alone.ids == batched.ids).float().mean() > 0.999
        assert [s.category for s in alone.segments] == [s.category for s in batched.segments]
