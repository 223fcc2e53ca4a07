"""The built-in network and the detectron2 segmenter against the real library.

detectron2 is not on PyPI: `tools/try_detectron2.sh CHECKOUT` builds it and runs these tests. Both
networks run in one process, so equal means equal to the bit.
"""

import sys

import numpy as np
import pytest
import torch
from helpers.paths import FIXTURES
from helpers.segmenters import make_segmenter
from PIL import Image

from yt360.errors import BadItem, UserError
from yt360.labels.classes import NO_CLASS, NUM_THINGS
from yt360.labels.panoptic_fpn import PanopticFPN, load_network
from yt360.labels.panoptic_fpn.preprocess import network_size, to_network
from yt360.labels.segmenters.base import ImageOrigin

detectron2 = pytest.importorskip(
    "detectron2", reason="needs detectron2; tools/try_detectron2.sh builds it and runs these tests"
)
SHORT, LONG = 160, 266
CONFIG = "COCO-PanopticSegmentation/panoptic_fpn_R_101_3x.yaml"
STUFF_SCORES = 0.05


def picture(height, width, seed=0):
    """Noise at several scales (1, H, W, 3): it has edges and surfaces."""
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(1, 3, height, width)
    for cells in (2, 5, 13, 40):
        rough = torch.rand(1, 3, cells, cells, generator=generator)
        total += torch.nn.functional.interpolate(rough, (height, width), mode="bilinear")
    return (total * 255 / total.amax()).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def narrowed(cfg):
    """Give a config the widths of the fixture's network."""
    cfg.MODEL.DEVICE, cfg.MODEL.WEIGHTS = "cpu", ""
    cfg.MODEL.RESNETS.STEM_OUT_CHANNELS, cfg.MODEL.RESNETS.WIDTH_PER_GROUP = 8, 4
    cfg.MODEL.RESNETS.RES2_OUT_CHANNELS, cfg.MODEL.FPN.OUT_CHANNELS = 16, 16
    cfg.MODEL.SEM_SEG_HEAD.CONVS_DIM = cfg.MODEL.ROI_BOX_HEAD.FC_DIM = 32
    cfg.MODEL.ROI_MASK_HEAD.CONV_DIM = 16
    cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST = SHORT, LONG
    return cfg


def predictor(cfg, state):
    """Return detectron2's own predictor with weights."""
    from detectron2.engine import DefaultPredictor

    made = DefaultPredictor(cfg)
    missing, unexpected = made.model.load_state_dict(state, strict=False)
    assert not unexpected
    assert not [name for name in missing if "pixel_" not in name]
    return made


@pytest.fixture(scope="module")
def native():
    return load_network(FIXTURES / "panoptic" / "model_random.pkl")


@pytest.fixture(scope="module")
def real(native):
    from detectron2 import model_zoo

    return predictor(narrowed(model_zoo.get_config(CONFIG)), native.state_dict())


def pictures():
    return {
        "portrait": picture(500, 375),
        "view": picture(128, 128, seed=1),
        "panorama": picture(180, 360, seed=2),
        "input size": picture(SHORT, SHORT, seed=3),
        "long": picture(40, 300, seed=4),
        "tiny": picture(3, 5, seed=5),
    }


# The network


def check_stages(native, real, image, short=SHORT, long=LONG):
    """Hold every stage of the built-in network against detectron2's; both are given as made."""
    size = network_size(*image.shape[1:3], short, long)
    bgr = np.ascontiguousarray(image[0].numpy()[..., ::-1])
    resized = real.aug.get_transform(bgr).apply_image(bgr)
    assert resized.shape[:2] == size
    with torch.no_grad():
        tensor = torch.as_tensor(resized.astype("float32").transpose(2, 0, 1))
        images = real.model.preprocess_image([{"image": tensor}])
        x = to_network(image, size)
        assert torch.equal(x, images.tensor)
        answer = native(x, size)
        features = real.model.backbone(images.tensor)
        for level, wanted in features.items():
            assert torch.equal(answer.features[level], wanted), level
        assert torch.equal(answer.stuff, real.model.sem_seg_head.layers(features))
        (proposals,), _ = real.model.proposal_generator(images, features, None)
        boxes, logits = answer.proposals[0]
        assert torch.equal(boxes, proposals.proposal_boxes.tensor)
        assert torch.equal(logits, proposals.objectness_logits)
        (found,), _ = real.model.roi_heads(images, features, [proposals], None)
        ours = answer.detections[0]
        assert torch.equal(ours.boxes, found.pred_boxes.tensor)
        assert torch.equal(ours.scores, found.scores)
        assert torch.equal(ours.classes, found.pred_classes)
        assert torch.equal(ours.masks, found.pred_masks[:, 0])


def check_maps(native, real, image, short=SHORT, long=LONG):
    """Hold the panoptic map against detectron2's; return how many things and stuff it has."""
    ids, wanted = real(np.ascontiguousarray(image[0].numpy()[..., ::-1]))["panoptic_seg"]
    (ours,) = native.segment(image, short_side=short, long_side=long)
    assert torch.equal(ours.ids, ids)
    assert [(s.id, s.is_thing, s.category) for s in ours.segments] == [
        (s["id"], s["isthing"], s["category_id"]) for s in wanted
    ]
    assert [s.score for s in ours.segments if s.is_thing] == [
        s["score"] for s in wanted if s["isthing"]
    ]
    things = sum(s["isthing"] for s in wanted)
    return things, len(wanted) - things


@pytest.mark.parametrize("name", pictures())
def test_every_stage_equals_detectron2_s(native, real, name):
    check_stages(native, real, pictures()[name])


@pytest.mark.parametrize("name", pictures())
def test_panoptic_maps_equal_detectron2_s(native, real, name):
    check_maps(native, real, pictures()[name])


def test_the_pictures_hold_things_and_stuff(native, real):
    things, stuff = zip(
        *(check_maps(native, real, each) for each in pictures().values()), strict=True
    )
    assert sum(things) >= 10
    assert sum(stuff) >= 5


def test_the_kept_answers_are_those_of_this_detectron2(real, panoptic_fixture):
    image = np.array(Image.open(panoptic_fixture / "noise_375x500.png").convert("RGB"))
    ids, _ = real(np.ascontiguousarray(image[..., ::-1]))["panoptic_seg"]
    kept = np.load(panoptic_fixture / "expected.npz")["panoptic_seg"]
    assert (ids.numpy() == kept).mean() > 0.999


# The segmenter


@pytest.fixture
def zoo(monkeypatch):
    """The real model zoo, whose configs are narrowed to the fixture's widths."""
    from detectron2 import model_zoo

    genuine = model_zoo.get_config
    monkeypatch.setattr(model_zoo, "get_config", lambda name: narrowed(genuine(name)))
    return model_zoo


def make(panoptic_fixture, kind="detectron2", **more):
    more = {"checkpoint": panoptic_fixture / "model_random.pkl", **more}
    return make_segmenter(kind, short_side=SHORT, long_side=LONG, **more)


@pytest.mark.parametrize(
    ("name", "stuff_area"), [("portrait", None), ("view", None), ("view", 0.0), ("panorama", 500.0)]
)
def test_both_segmenters_give_the_same_labels(zoo, panoptic_fixture, name, stuff_area):
    image = pictures()[name]
    (theirs,), (ours,) = (
        make(panoptic_fixture, kind, stuff_area=stuff_area).segment(
            image, [ImageOrigin("clip-00000", 0.0)]
        )
        for kind in ("detectron2", "panoptic-fpn")
    )
    assert torch.equal(theirs.classes, ours.classes)
    assert torch.equal(theirs.instances, ours.instances)
    things = ours.classes < NUM_THINGS
    assert torch.equal(theirs.scores[things], ours.scores[things])
    # The built-in network enlarges probabilities of stuff, not logits; they only weigh votes.
    assert float((theirs.scores - ours.scores).abs().mean()) < STUFF_SCORES


def test_views_lose_no_stuff_to_a_size_meant_for_coco_pictures(zoo, panoptic_fixture):
    image = picture(128, 128, seed=1)
    unlabelled = {
        area: float((found.classes == NO_CLASS).float().mean())
        for area in (None, 4096.0)
        for found in make(panoptic_fixture, stuff_area=area).segment(
            image, [ImageOrigin("clip-00000", 0.0)]
        )
    }
    assert unlabelled[None] < unlabelled[4096.0]


def test_bad_weights_are_refused_in_one_line(zoo, panoptic_fixture, bad_checkpoint):
    path, message = bad_checkpoint
    with pytest.raises(UserError, match=message) as caught:
        make(panoptic_fixture, checkpoint=path)
    assert "\n" not in str(caught.value)


def test_the_weights_of_another_config_are_refused(panoptic_fixture):
    with pytest.raises(UserError, match=r"panoptic_fpn_R_101_3x\.yaml \(.* of another shape"):
        make(panoptic_fixture)  # full width, narrow weights


def test_weights_that_cannot_be_downloaded_are_told(zoo, panoptic_fixture, monkeypatch, tmp_path):
    monkeypatch.setenv("FVCORE_CACHE", str(tmp_path))
    address = "http://127.0.0.1:9/model.pkl"
    monkeypatch.setattr(zoo, "get_checkpoint_url", lambda _: address)
    with pytest.raises(UserError, match=f"{address} could not be downloaded .*--checkpoint"):
        make(panoptic_fixture, checkpoint=None)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("COCO-PanopticSegmentation/panoptic_fpn_R_9", "has no 'COCO-Pan.*R_9.yaml'"),
        ("COCO-Detection/retinanet_R_50_FPN_1x", "RetinaNet, which does not produce panoptic maps"),
    ],
)
def test_configs_without_panoptic_maps_are_refused(panoptic_fixture, config, message):
    with pytest.raises(UserError, match=message):
        make(panoptic_fixture, model=config)


def test_a_missing_pkg_resources_is_not_called_a_missing_detectron2(panoptic_fixture, monkeypatch):
    monkeypatch.setitem(sys.modules, "pkg_resources", None)
    for name in [name for name in sys.modules if name.startswith("detectron2.model_zoo")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(UserError, match=r"installed but does not load: .*pkg_resources.*<82"):
        make(panoptic_fixture)


def test_a_picture_too_thin_to_be_resized_is_a_bad_item(zoo, panoptic_fixture):
    segmenter = make(panoptic_fixture)
    with pytest.raises(BadItem, match="unfit-size"):
        segmenter.segment(picture(1, 600), [ImageOrigin("clip-00000", 0.0)])


def test_facts_name_the_weights_by_content(zoo, panoptic_fixture):
    theirs = make(panoptic_fixture).facts
    ours = make(panoptic_fixture, "panoptic-fpn").facts
    assert (theirs.pop("segmenter"), theirs.pop("config")) == ("detectron2", CONFIG)
    assert theirs.pop("version") == detectron2.__version__
    del ours["segmenter"]
    assert theirs == ours


# The full size


def calibrated(network, image, size):
    """Scale the last layers of a random network, so that it is sure of some things and stuff."""

    def scale(spread):
        def hook(layer, _, out):
            factor = spread / float(out.std())
            layer.weight.mul_(factor)
            layer.bias.mul_(factor)
            return out * factor

        return hook

    heads = network.roi_heads
    spreads = {
        heads.box_predictor.cls_score: 3.0,
        heads.mask_head.predictor: 3.0,
        network.sem_seg_head.predictor: 3.0,
    }
    hooks = [layer.register_forward_hook(scale(spread)) for layer, spread in spreads.items()]
    with torch.inference_mode():
        network(to_network(image, size), size)
    for hook in hooks:
        hook.remove()
    return network


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_full_size_network_equals_detectron2_s():
    from detectron2 import model_zoo

    image = picture(240, 320, seed=6)
    short, long = 320, 533
    native = PanopticFPN().eval().requires_grad_(False)
    calibrated(native, image, network_size(240, 320, short, long))
    cfg = model_zoo.get_config(CONFIG)
    cfg.MODEL.DEVICE, cfg.MODEL.WEIGHTS = "cpu", ""
    cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST = short, long
    real = predictor(cfg, native.state_dict())
    check_stages(native, real, image, short, long)
    things, stuff = check_maps(native, real, image, short, long)
    assert things
    assert stuff
