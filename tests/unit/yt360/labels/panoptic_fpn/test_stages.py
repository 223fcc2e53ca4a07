"""Laws of the single stages, and pictures that are out of the ordinary."""

import pytest
import torch
from helpers.paths import FIXTURES

from yt360.labels.panoptic_fpn import boxes, load_network
from yt360.labels.panoptic_fpn.detections import Detections
from yt360.labels.panoptic_fpn.merge import merge, paste
from yt360.labels.panoptic_fpn.preprocess import network_size, to_network
from yt360.labels.panoptic_fpn.proposals import anchors
from yt360.labels.segmenters.panoptic_fpn import PanopticFPNConfig

FIXTURE = FIXTURES / "panoptic"


@pytest.fixture
def network():
    return load_network(FIXTURE / "model_random.pkl")


def noise(height, width):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (1, height, width, 3), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("picture", "wanted"),
    [
        ((480, 640), (800, 1067)),
        ((640, 480), (1067, 800)),
        ((500, 500), (800, 800)),
        ((300, 900), (444, 1333)),
        ((1000, 100), (1333, 133)),
        ((427, 640), (800, 1199)),
        ((1, 5000), (1, 1333)),
        ((3, 2000), (2, 1333)),
        ((9000, 2), (1333, 1)),
    ],
)
def test_short_side_is_800_unless_the_long_side_would_pass_1333(picture, wanted):
    assert network_size(*picture) == wanted


def test_channels_are_bgr_with_the_mean_removed():
    picture = torch.zeros(1, 32, 32, 3, dtype=torch.uint8)
    picture[..., 0] = 200  # red
    x = to_network(picture, (32, 32))
    assert x[0, :, 0, 0].tolist() == pytest.approx([-103.53, -116.28, 200 - 123.675])


@pytest.mark.parametrize("size", [(64, 64), (50, 40), (128, 96)])
def test_the_input_is_contiguous_as_detectron2_s_is(size):
    assert to_network(noise(64, 64), size).is_contiguous()


def test_anchors_are_centred_on_the_grid_and_not_rounded():
    found = anchors("p3", 2, 3, torch.device("cpu"))
    assert found.shape == (18, 4)
    centres = (found[:, :2] + found[:, 2:]) / 2
    assert torch.allclose(centres[-1], torch.tensor([16.0, 8.0]))
    sides = found[:3, 2:] - found[:3, :2]
    assert torch.allclose(sides.prod(-1), torch.tensor(64.0**2))
    assert torch.allclose(sides[:, 1] / sides[:, 0], torch.tensor([0.5, 1.0, 2.0]))


def test_zero_deltas_give_the_reference_box_back():
    box = torch.tensor([[3.0, 5.0, 10.5, 30.25]])
    assert torch.equal(boxes.decode(torch.zeros(1, 8), box), box.repeat(1, 2))


def test_growth_of_a_box_is_limited():
    box = torch.tensor([[0.0, 0.0, 16.0, 16.0]])
    grown = boxes.decode(torch.tensor([[0.0, 0.0, 50.0, 50.0]]), box)
    assert torch.allclose(grown[0, 2:] - grown[0, :2], torch.tensor(1000.0))


@pytest.mark.parametrize("shape", [(33, 47), (31, 200), (200, 31), (1, 1), (1, 90), (64, 64)])
def test_odd_sizes_give_maps_of_their_own_size(network, shape):
    panoptic = network.segment(noise(*shape), short_side=64, long_side=130, stuff_area=0)[0]
    assert panoptic.ids.shape == shape
    assert sorted(torch.unique(panoptic.ids).tolist()) == sorted(
        {s.id for s in panoptic.segments if s.area} | ({0} if (panoptic.ids == 0).any() else set())
    )


def test_a_picture_without_proposals(network):
    with torch.no_grad():
        network.proposal_generator.rpn_head.objectness_logits.bias.fill_(float("nan"))
        x = to_network(noise(70, 90), (70, 90))
        answer = network(x, (70, 90))
    assert len(answer.proposals[0][0]) == 0
    assert answer.detections[0].masks.shape == (0, 28, 28)
    panoptic = network.segment(noise(70, 90), short_side=70, stuff_area=0)[0]
    assert panoptic.segments
    assert not any(segment.is_thing for segment in panoptic.segments)


def test_a_picture_without_detections_beside_one_with_some(network):
    pictures = torch.cat([noise(96, 96), torch.full((1, 96, 96, 3), 100, dtype=torch.uint8)])
    with torch.no_grad():
        network.roi_heads.box_predictor.cls_score.bias[-1] = 60.0  # background everywhere
    for panoptic in network.segment(pictures, short_side=96, stuff_area=0):
        assert not any(segment.is_thing for segment in panoptic.segments)


def objects(*rows):
    """Make detections of rows (box, score, class) whose masks fill their boxes."""
    found = [torch.tensor(column) for column in zip(*rows, strict=True)]
    masks = torch.ones(len(rows), 28, 28)
    return Detections(found[0].float(), found[1], found[2], masks)


def test_better_objects_lie_in_front_and_mostly_hidden_ones_are_dropped():
    found = objects(
        ([10, 10, 40, 40], 0.7, 1),
        ([0, 0, 30, 30], 0.9, 2),  # in front of the first
        ([2, 2, 20, 20], 0.8, 3),  # hidden by the second
        ([60, 60, 80, 80], 0.4, 4),  # not sure enough
    )
    empty = torch.zeros(100, 100, dtype=torch.int64)
    panoptic = merge(found, empty, torch.ones(100, 100))
    assert [(s.id, s.category) for s in panoptic.segments] == [(1, 2), (2, 1)]
    assert panoptic.ids[15, 15] == 1
    assert panoptic.ids[35, 35] == 2
    assert panoptic.ids[70, 70] == 0


def test_stuff_fills_what_is_free_in_the_order_of_its_numbers_when_large_enough():
    semantic = torch.full((100, 100), 7)
    semantic[:10] = 5
    semantic[90:] = 0
    found = objects(([0, 50, 100, 70], 0.9, 3))
    panoptic = merge(found, semantic, torch.full((100, 100), 0.25), stuff_area=1001)
    assert [(s.is_thing, s.category) for s in panoptic.segments] == [(True, 3), (False, 7)]
    assert (panoptic.ids[90:] == 0).all()  # stuff class 0 is no class
    assert (panoptic.ids[:10] == 0).all()  # 1,000 pixels are too few
    assert panoptic.segments[1].score == pytest.approx(0.25)


def test_a_pasted_mask_equals_the_one_computed_over_the_whole_picture():
    torch.manual_seed(0)
    mask = torch.rand(28, 28)
    box = torch.tensor([5.3, -0.0, 41.9, 33.2])
    window, top, left = paste(mask, box, (40, 50))
    whole = torch.zeros(40, 50, dtype=torch.bool)
    whole[top : top + window.shape[0], left : left + window.shape[1]] = window
    y = (torch.arange(40) + 0.5 - box[1]) / (box[3] - box[1]) * 2 - 1
    x = (torch.arange(50) + 0.5 - box[0]) / (box[2] - box[0]) * 2 - 1
    grid = torch.stack((x.expand(40, 50), y[:, None].expand(40, 50)), -1)
    full = torch.nn.functional.grid_sample(mask[None, None], grid[None], align_corners=False)
    assert torch.equal(whole, full[0, 0] >= 0.5)


def test_half_precision_changes_little(network):
    size = (96, 128)
    x = to_network(noise(*size), size)
    with torch.inference_mode():
        whole = network(x, size)
        with torch.autocast("cpu", torch.float16):
            half = network(x, size)
    assert half.stuff.dtype == torch.float16
    for name, feature in whole.features.items():
        assert (half.features[name] - feature).norm() < 0.03 * feature.norm()
    assert (half.stuff.argmax(1) == whole.stuff.argmax(1)).float().mean() > 0.95
    scores = [answer.detections[0].scores[:10] for answer in (half, whole)]
    assert (scores[0] - scores[1]).abs().max() < 0.01
    assert half.detections[0].boxes.dtype == torch.float32


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_answers_of_the_cpu():
    on_cpu, on_gpu = (
        PanopticFPNConfig(checkpoint=FIXTURE / "model_random.pkl", short_side=96, stuff_area=0)
        .build(torch.device(name))
        .panoptic(noise(96, 128))[0]
        for name in ("cpu", "cuda")
    )
    assert (on_gpu.ids == on_cpu.ids).float().mean() > 0.99
