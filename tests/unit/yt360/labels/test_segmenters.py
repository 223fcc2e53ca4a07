"""What every segmenter promises, and what each kind does with its own library."""

import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest
import torch
from helpers.errors import bad_item, user_error
from helpers.paths import REPOSITORY
from helpers.segmenters import make_segmenter

from yt360.errors import UserError
from yt360.files import sha256_of
from yt360.labels.classes import NO_CLASS
from yt360.labels.panoptic_fpn import PanopticFPN
from yt360.labels.panoptic_fpn.checkpoint import read_state
from yt360.labels.panoptic_fpn.network import Widths
from yt360.labels.segmenters import SEGMENTERS
from yt360.labels.segmenters.base import ImageOrigin, from_segments
from yt360.labels.segmenters.batches import Batches
from yt360.labels.segmenters.libraries import INSTALL, import_library
from yt360.labels.segments import segments_of

CPU = torch.device("cpu")
NARROW = Widths(  # the fixture's
    stem=8, bottleneck=4, res2=16, fpn=16, box_hidden=32, mask_hidden=16, semantic_hidden=32
)


def pictures(number=2, height=40, width=60):
    generator = torch.Generator().manual_seed(0)
    shape = (number, height, width, 3)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def sources(number=2):
    return [ImageOrigin("clip-00000", float(n)) for n in range(number)]


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
    with user_error("system"):
        Batches(Limited(0), 4).segment(pictures(4), sources(4))


# Choice


@pytest.mark.parametrize(
    ("kind", "options", "code", "key"),
    [
        ("panoptic-fpn", {}, "missing", "checkpoint"),
        ("transformers", {}, "missing", "model"),
        ("truth", {}, "missing", "scenes"),
        ("transformers", {"model": "m", "stuff_area": 9.0}, "unknown-name", "stuff_area"),
        ("truth", {"checkpoint": Path("x.pkl")}, "unknown-name", "checkpoint"),
        ("panoptic-fpn", {"model": "m"}, "unknown-name", "model"),
        ("panoptic-fpn", {"checkpoint": "x", "stuff_area": "wide"}, "invalid", "stuff_area"),
        ("panoptic", {}, "unknown-name", "panoptic"),
    ],
)
def test_options_that_do_not_fit_the_segmenter_are_refused(kind, options, code, key):
    with user_error(code, key):
        SEGMENTERS.configure(kind, options)


def test_text_becomes_the_type_of_the_option():
    given = {"checkpoint": "x.pkl", "short_side": "64", "mixed_precision": "true"}
    config = SEGMENTERS.configure("panoptic-fpn", given, {"long_side": 99, "short_side": 1, "x": 2})
    assert (config.checkpoint, config.short_side, config.long_side, config.mixed_precision) == (
        Path("x.pkl"), 64, 99, True,
    )  # fmt: skip


@pytest.mark.parametrize("entry", SEGMENTERS.entries(), ids=lambda entry: entry.name)
def test_the_table_says_what_the_files_say(entry):
    config = SEGMENTERS.load(entry.name)
    assert config.kind == entry.name
    assert config.__doc__.splitlines()[0] == entry.help


# This package's own


def test_the_native_segmenter_agrees_with_its_network(panoptic_fixture):
    segmenter = make_segmenter(
        checkpoint=panoptic_fixture / "model_random.pkl", short_side=64, stuff_area=30
    )
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
    asked = []
    for stuff_area, sizes in ((None, [(480, 640), (240, 320)]), (7.0, [(240, 320)])):
        segmenter = make_segmenter(
            checkpoint=panoptic_fixture / "model_random.pkl", short_side=64, stuff_area=stuff_area
        )
        found = SimpleNamespace(panoptic=lambda stuff_area: asked.append(stuff_area) or [])
        segmenter.network.predict = lambda *_, found=found: found
        for height, width in sizes:
            segmenter.segment(pictures(1, height, width), sources(1))
    assert asked == [4096, 1024, 7]


# detectron2, faked with the signatures of the real one (test_real_detectron2.py has the real one)


class FakePredictor:
    """Stands for detectron2.engine.DefaultPredictor, with weights named as the fixture's."""

    def __init__(self, cfg):
        assert cfg.MODEL.WEIGHTS == ""  # or detectron2 would unpickle a file
        self.cfg, self.model = cfg, PanopticFPN(NARROW)

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
        self.cfg.seen.append((original_image, self.model.combine_stuff_area_thresh))
        logits = torch.zeros(54, height, width)
        logits[40] = 5.0
        return {"panoptic_seg": (ids, segments), "sem_seg": logits, "instances": None}


class FakePathManager:
    """Stands for detectron2.utils.file_io.PathManager, without a network."""

    @staticmethod
    def get_local_path(path):
        raise URLError(f"no network for {path}")


@pytest.fixture
def detectron2(monkeypatch):
    def get_config(config_path, trained=False):
        if not config_path.startswith("COCO-"):
            raise RuntimeError(f"{config_path} not available in Model Zoo!")
        combine = SimpleNamespace(
            STUFF_AREA_LIMIT=4096, INSTANCES_CONFIDENCE_THRESH=0.5, OVERLAP_THRESH=0.5
        )
        return SimpleNamespace(
            MODEL=SimpleNamespace(
                WEIGHTS="zoo.pkl",
                DEVICE="",
                META_ARCHITECTURE="PanopticFPN" if "Panoptic" in config_path else "RetinaNet",
                PANOPTIC_FPN=SimpleNamespace(COMBINE=combine),
            ),
            INPUT=SimpleNamespace(MIN_SIZE_TEST=800, MAX_SIZE_TEST=1333),
            seen=seen,
        )

    seen = []
    parts = {
        "": {"__version__": "0.6"},
        ".model_zoo": {
            "get_config": get_config,
            "get_checkpoint_url": lambda config_path: f"https://zoo/{config_path}.pkl",
        },
        ".engine": {"DefaultPredictor": FakePredictor},
        ".utils.file_io": {"PathManager": FakePathManager},
    }
    for name, content in parts.items():
        module = ModuleType(f"detectron2{name}")
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return seen


def with_detectron2(panoptic_fixture, **more):
    more = {"checkpoint": panoptic_fixture / "model_random.pkl", **more}
    return make_segmenter("detectron2", **more)


def test_detectron2_gets_bgr_and_its_answer_is_translated(detectron2, panoptic_fixture):
    segmenter = with_detectron2(panoptic_fixture)
    batch = pictures()
    found = segmenter.segment(batch, sources())
    image, _ = detectron2[1]
    assert (image == batch[1].numpy()[..., ::-1]).all()
    assert image.flags.c_contiguous
    for answer in found:
        check(answer)
        assert [int(answer.classes[row, 0]) for row in (5, 15, 25, 35)] == [17, 17, 120, NO_CLASS]
        assert [int(answer.instances[row, 0]) for row in (5, 15, 25)] == [1, 2, 0]
        assert float(answer.scores[5, 0]) == pytest.approx(0.9)
        probability = np.exp(5) / (np.exp(5) + 53)
        assert float(answer.scores[25, 0]) == pytest.approx(probability, rel=1e-5)


def test_detectron2_gets_the_weights_and_the_facts_name_them(detectron2, panoptic_fixture):
    path = panoptic_fixture / "model_random.pkl"
    segmenter = with_detectron2(panoptic_fixture, short_side=400)
    weights = segmenter._predict.model.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in read_state(path).items())
    assert segmenter.facts == {
        "segmenter": "detectron2",
        "version": "0.6",
        "config": "COCO-PanopticSegmentation/panoptic_fpn_R_101_3x.yaml",
        "checkpoint": sha256_of(path)[:16],
        "short_side": 400,
        "long_side": 1333,
        "stuff_area": None,
        "instance_score": 0.5,
        "instance_overlap": 0.5,
    }


def test_detectron2_s_smallest_stuff_grows_with_the_picture_unless_given(
    detectron2, panoptic_fixture
):
    for stuff_area in (None, 7.0):
        segmenter = with_detectron2(panoptic_fixture, stuff_area=stuff_area)
        segmenter.segment(pictures(1, 480, 640), sources(1))
        segmenter.segment(pictures(1, 240, 320), sources(1))
    assert [area for _, area in detectron2] == [4096, 1024, 7, 7]


@pytest.mark.parametrize("kind", ["panoptic-fpn", "detectron2"])
def test_bad_weights_are_refused_in_one_line(detectron2, kind, bad_checkpoint):
    path, message = bad_checkpoint
    with pytest.raises(UserError, match=message) as caught:
        make_segmenter(kind, checkpoint=path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_weights_that_cannot_be_downloaded_are_told(detectron2, panoptic_fixture):
    with pytest.raises(UserError, match=r"https://zoo/.* could not be downloaded .*--checkpoint"):
        with_detectron2(panoptic_fixture, checkpoint=None)


def test_pictures_of_which_detectron2_would_leave_nothing_are_bad_items(
    detectron2, panoptic_fixture
):
    segmenter = with_detectron2(panoptic_fixture)
    with bad_item("unfit-size"):
        segmenter.segment(pictures(1, 1, 2667), sources(1))
    assert detectron2 == []
    segmenter.segment(pictures(1, 1, 2666), sources(1))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("x", r"no 'x\.yaml'"),
        ("COCO-Detection/retinanet", "RetinaNet, which does not produce panoptic maps"),
    ],
)
def test_configs_without_panoptic_maps_are_refused(detectron2, panoptic_fixture, config, message):
    with pytest.raises(UserError, match=message):
        with_detectron2(panoptic_fixture, model=config)


# Optional libraries


@pytest.mark.parametrize("kind", ["detectron2", "transformers"])
def test_a_missing_library_is_told_with_how_to_install_it(monkeypatch, kind):
    monkeypatch.setitem(sys.modules, kind, None)
    with pytest.raises(UserError, match=f"is not installed; .*{re.escape(INSTALL[kind])}"):
        make_segmenter(kind, model="m")


def test_a_library_that_lacks_a_package_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "detectron2").mkdir()
    (tmp_path / "detectron2" / "__init__.py").write_text("import package_of_nobody\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "detectron2", raising=False)
    with pytest.raises(
        UserError, match=r"is installed but cannot be imported: .*package_of_nobody"
    ):
        import_library("detectron2")


def test_the_advice_is_what_the_extra_installs():
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    (wanted,) = extras["optional-dependencies"]["labels-transformers"]
    assert f"pip install '{wanted}'" == INSTALL["transformers"]
