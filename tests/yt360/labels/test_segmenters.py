"""What every segmenter promises, and what each kind does with its own library."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from yt360.errors import BadItem, UserError
from yt360.labels.classes import NO_CLASS
from yt360.labels.segmenters.base import Source, from_segments
from yt360.labels.segmenters.batches import Batches
from yt360.labels.segmenters.make import SegmenterOptions, choose_device, make_segmenter
from yt360.labels.segments import segments_of

CPU = torch.device("cpu")


def pictures(number=2, height=40, width=60):
    generator = torch.Generator().manual_seed(0)
    shape = (number, height, width, 3)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def sources(number=2):
    return [Source("clip-00000", float(n)) for n in range(number)]


def check(found, height=40, width=60):
    """Hold an answer against the promises of the interface."""
    assert found.classes.shape == found.scores.shape == found.instances.shape == (height, width)
    assert (found.classes.dtype, found.instances.dtype) == (torch.uint8, torch.int32)
    assert int(found.classes.max()) <= NO_CLASS
    assert float(found.scores.min()) >= 0
    assert float(found.scores.max()) <= 1
    assert (found.scores[found.classes == NO_CLASS] == 0).all()
    assert ((found.instances > 0) == (found.classes < 80)).all()


# Out of memory


class Limited:
    """Runs out of memory above a number of pictures."""

    network_s = 0.0

    def __init__(self, limit):
        self.limit, self.calls, self.facts = limit, [], {}

    def segment(self, batch, sources):
        self.calls.append(len(batch))
        if len(batch) > self.limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [from_segments(torch.ones(2, 2), [(1, int(s.time_s), 1.0)]) for s in sources]


def test_out_of_memory_halves_the_batch_and_goes_on_without_losing_a_picture(caplog):
    segmenter = Limited(3)
    batches = Batches(segmenter, 16)
    found = batches.segment(pictures(20), sources(20))
    assert [int(each.classes[0, 0]) for each in found] == list(range(20))
    assert segmenter.calls == [16, 8, 4, *[2] * 10]
    assert batches.size == 2
    assert "batches of 2" in caplog.text
    batches.segment(pictures(4), sources(4))
    assert segmenter.calls[-2:] == [2, 2]


def test_a_picture_that_does_not_fit_at_all_is_told():
    with pytest.raises(UserError, match="single picture of 60x40"):
        Batches(Limited(0), 4).segment(pictures(4), sources(4))


# Choice


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (SegmenterOptions(), "needs --checkpoint"),
        (SegmenterOptions(kind="transformers"), "needs --model"),
        (SegmenterOptions(kind="truth"), "needs --scenes"),
        (SegmenterOptions(device="tpu"), "no device 'tpu'|not supported"),
        (SegmenterOptions(device="cuda:99"), "no GPU .cuda:99. here"),
    ],
)
def test_what_a_segmenter_lacks_is_told(options, message):
    with pytest.raises(UserError, match=message):
        make_segmenter(options)


def test_auto_is_the_gpu_where_there_is_one():
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


# This package's own


def test_the_native_segmenter_agrees_with_its_network(panoptic_fixture):
    options = SegmenterOptions(
        checkpoint=panoptic_fixture / "model_random.pkl", short_side=64, stuff_area=30
    )
    segmenter = make_segmenter(options)
    found = segmenter.segment(pictures(), sources())
    panoptic = segmenter.network.segment(pictures(), short_side=64, stuff_area=30)
    assert segmenter.network_s > 0
    for answer, wanted in zip(found, panoptic, strict=True):
        check(answer)
        ids, segments = segments_of(answer)
        assert torch.equal(ids, wanted.ids)
        assert [(s.id, s.is_thing, s.category, s.area) for s in segments] == [
            (s.id, s.is_thing, s.category, s.area) for s in wanted.segments
        ]
    assert segmenter.facts["segmenter"] == "panoptic-fpn"
    assert len(segmenter.facts["checkpoint"]) == 16


def test_the_smallest_stuff_grows_with_the_picture_unless_given(panoptic_fixture):
    segmenter = make_segmenter(
        SegmenterOptions(checkpoint=panoptic_fixture / "model_random.pkl", short_side=64)
    )
    asked = []
    segmenter.network.segment = lambda _, **options: asked.append(options["stuff_area"]) or []
    segmenter.segment(pictures(1, 480, 640), sources(1))
    segmenter.segment(pictures(1, 240, 320), sources(1))
    segmenter.stuff_area = 7.0
    segmenter.segment(pictures(1, 240, 320), sources(1))
    assert asked == [4096, 1024, 7]


# detectron2, faked with the signatures of the real one


class FakePredictor:
    """Stands for detectron2.engine.DefaultPredictor."""

    def __init__(self, cfg):
        self.cfg = cfg

    def __call__(self, original_image):
        assert original_image.dtype == np.uint8
        height, width = original_image.shape[:2]
        ids = torch.zeros(height, width, dtype=torch.int32)
        ids[:10], ids[10:20], ids[20:30] = 1, 2, 3
        segments = [
            {"id": 1, "isthing": True, "score": 0.9, "category_id": 17, "instance_id": 0},
            {"id": 2, "isthing": True, "score": 0.8, "category_id": 17, "instance_id": 1},
            {"id": 3, "isthing": False, "category_id": 40, "area": 10 * width},
        ]
        self.cfg.seen.append(original_image)
        logits = torch.zeros(54, height, width)
        logits[40] = 5.0
        return {"panoptic_seg": (ids, segments), "sem_seg": logits, "instances": None}


@pytest.fixture
def detectron2(monkeypatch):
    def get_config(config_path, trained=False):
        if not config_path.startswith("COCO-PanopticSegmentation/"):
            raise RuntimeError(f"{config_path} not available in Model Zoo!")
        return SimpleNamespace(
            MODEL=SimpleNamespace(WEIGHTS="", DEVICE=""),
            INPUT=SimpleNamespace(MIN_SIZE_TEST=800, MAX_SIZE_TEST=1333),
            seen=seen,
        )

    seen = []
    root, zoo, engine = (ModuleType(f"detectron2{name}") for name in ("", ".model_zoo", ".engine"))
    zoo.get_config = get_config
    zoo.get_checkpoint_url = lambda config_path: f"https://zoo/{config_path}.pkl"
    engine.DefaultPredictor = FakePredictor
    root.model_zoo = zoo
    for module in (root, zoo, engine):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return seen


def test_detectron2_gets_bgr_and_its_answer_is_translated(detectron2):
    segmenter = make_segmenter(SegmenterOptions(kind="detectron2", device="cpu", short_side=400))
    batch = pictures()
    found = segmenter.segment(batch, sources())
    assert (detectron2[1] == batch[1].numpy()[..., ::-1]).all()
    assert detectron2[1].flags.c_contiguous
    for answer in found:
        check(answer)
        assert [int(answer.classes[row, 0]) for row in (5, 15, 25, 35)] == [17, 17, 120, NO_CLASS]
        assert [int(answer.instances[row, 0]) for row in (5, 15, 25)] == [1, 2, 0]
        assert float(answer.scores[5, 0]) == pytest.approx(0.9)
        probability = np.exp(5) / (np.exp(5) + 53)
        assert float(answer.scores[25, 0]) == pytest.approx(probability, rel=1e-5)
    assert segmenter.facts["short_side"] == 400
    assert segmenter.facts["weights"].startswith("https://zoo/COCO-PanopticSegmentation/")


def test_pictures_of_which_detectron2_would_leave_nothing_are_bad_items(detectron2):
    segmenter = make_segmenter(SegmenterOptions(kind="detectron2", device="cpu"))
    with pytest.raises(BadItem, match="unfit-size: a picture of 2667x1"):
        segmenter.segment(pictures(1, 1, 2667), sources(1))
    assert detectron2 == []
    segmenter.segment(pictures(1, 1, 2666), sources(1))


def test_a_config_that_the_zoo_lacks_is_told(detectron2):
    with pytest.raises(UserError, match=r"no 'x\.yaml'"):
        make_segmenter(SegmenterOptions(kind="detectron2", model="x"))


@pytest.mark.parametrize(
    ("kind", "module", "advice"),
    [
        ("detectron2", "detectron2", "pip install 'git"),
        ("transformers", "transformers", r"yt360-avsa\[labels-transformers\]"),
    ],
)
def test_a_missing_library_is_told_with_how_to_install_it(monkeypatch, kind, module, advice):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=advice):
        make_segmenter(SegmenterOptions(kind=kind, model="m", device="cpu"))
