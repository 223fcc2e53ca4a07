"""Which files load, and what the others are told."""

import os
import pickle
import resource
from collections import OrderedDict

import numpy as np
import pytest
import torch
from helpers.paths import FIXTURES
from safetensors.torch import save_file

from yt360.errors import UserError
from yt360.labels.panoptic_fpn import PanopticFPN, load_network
from yt360.labels.panoptic_fpn.checkpoint import read_state

FIXTURE = FIXTURES / "panoptic"
PUBLISHED = [line.split("\t") for line in (FIXTURE / "published-keys.txt").read_text().splitlines()]


@pytest.fixture(scope="module")
def state():
    return read_state(FIXTURE / "model_random.pkl")


def save_pickle(path, state, **more):
    content = {"model": {name: value.numpy() for name, value in state.items()}, **more}
    path.write_bytes(pickle.dumps(content, protocol=2))
    return path


def same(network, state):
    loaded = network.state_dict()
    return all(torch.equal(loaded[name], value) for name, value in state.items())


def test_pkl_pth_and_safetensors_hold_the_same_network(tmp_path, state):
    torch.save({"model": state, "iteration": 3}, tmp_path / "a.pth")
    torch.save(OrderedDict(state), tmp_path / "b.pth")
    save_file(state, tmp_path / "c.safetensors")
    save_pickle(tmp_path / "d.pkl", state, __author__="someone")
    for name in ("a.pth", "b.pth", "c.safetensors", "d.pkl"):
        assert same(load_network(tmp_path / name), state)


def test_published_extras_are_dropped_and_missing_statistics_are_0_and_1(tmp_path, state):
    trimmed = {n: v for n, v in state.items() if ".norm.running_" not in n}
    trimmed["pixel_mean"] = torch.zeros(3, 1, 1)
    trimmed["proposal_generator.anchor_generator.cell_anchors.4"] = torch.zeros(3, 4)
    network = load_network(save_pickle(tmp_path / "m.pkl", trimmed))
    norm = network.backbone.bottom_up.stem.conv1.norm
    assert (norm.running_mean == 0).all()
    assert (norm.running_var == 1).all()


def test_another_architecture_is_refused_with_the_first_names_that_differ(tmp_path, state):
    changed = dict(state)
    del changed["sem_seg_head.predictor.bias"]
    del changed["backbone.bottom_up.res4.22.conv3.weight"]
    changed["mask_tower.weight"] = torch.zeros(2)
    changed["roi_heads.box_predictor.cls_score.weight"] = torch.zeros(21, 32)
    with pytest.raises(UserError) as caught:
        load_network(save_pickle(tmp_path / "m.pkl", changed))
    message = str(caught.value)
    assert "2 missing: backbone.bottom_up.res4.22.conv3.weight, sem_seg_head" in message
    assert "1 unexpected: mask_tower.weight" in message
    assert "cls_score.weight (21, 32) instead of (81, 32)" in message


@pytest.mark.parametrize("attack", [os.system, eval, pickle.loads, os.path.join])
def test_a_hostile_pickle_is_refused_and_never_run(tmp_path, attack):
    class Attack:
        def __reduce__(self):
            return attack, (f"open({str(tmp_path / 'harm')!r}, 'w')",)

    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps({"model": {"x": Attack()}}))
    with pytest.raises(UserError, match=r"wants to run .*\.(system|eval|loads|_?join)"):
        load_network(path)
    assert not (tmp_path / "harm").exists()


def test_a_hostile_pth_is_refused(tmp_path):
    class Attack:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'harm'}",)

    torch.save({"model": {"x": Attack()}}, tmp_path / "m.pth")
    with pytest.raises(UserError, match="weights alone"):
        load_network(tmp_path / "m.pth")
    assert not (tmp_path / "harm").exists()


def test_an_array_of_objects_is_no_weight(tmp_path):
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps({"model": {"x": np.array(["a", None], dtype=object)}}))
    with pytest.raises(UserError, match="an array of dtype 'O8'; weights must be numbers"):
        load_network(path)


@pytest.mark.parametrize("dtype", [">f4", ">f8", "longdouble", "<f2", ">i4", "<u2"])
def test_arrays_of_any_byte_order_and_width_are_read(tmp_path, dtype):
    values = np.arange(6, dtype=dtype).reshape(2, 3)
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps({"model": {"x": values, "y": values[:, ::2]}}, protocol=2))
    state = read_state(path)
    assert torch.equal(state["x"], torch.arange(6.0).reshape(2, 3))
    assert torch.equal(state["y"], torch.tensor([[0.0, 2.0], [3.0, 5.0]]))


@pytest.mark.parametrize("value", [torch.eye(2).to_sparse(), torch.ones(2, dtype=torch.complex64)])
def test_tensors_that_are_no_plain_numbers_are_refused(tmp_path, value):
    torch.save({"x": value}, tmp_path / "m.pth")
    with pytest.raises(UserError, match=r"weights alone: it wants to run torch\.\w+"):
        read_state(tmp_path / "m.pth")


def test_widths_that_weights_do_not_fill_take_no_memory(tmp_path):
    keys = ["backbone.bottom_up.stem.conv1.weight", "roi_heads.box_head.fc1.weight"]
    small = {key: torch.zeros(1 << 14, 1) for key in keys}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match="is not a COCO Panoptic FPN R-101"):
        load_network(save_pickle(tmp_path / "m.pkl", small))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KiB


@pytest.mark.real
@pytest.mark.parametrize("name", ["deep200k.pkl", "nd.pkl", "wide2.pkl"])
def test_hostile_pickles_are_refused_within_their_size(real_data, name):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError) as caught:
        load_network(real_data / "hostile" / name)
    assert "\n" not in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KiB


@pytest.mark.parametrize("size", [0, 1, 100, 100_000, -1])
def test_a_file_cut_short_is_refused_in_one_line(tmp_path, size):
    path = tmp_path / "m.pkl"
    path.write_bytes((FIXTURE / "model_random.pkl").read_bytes()[:size])
    with pytest.raises(UserError) as caught:
        load_network(path)
    assert "m.pkl" in str(caught.value)


def test_random_bytes_are_refused(tmp_path):
    generator = np.random.default_rng(0)
    for number in range(200):
        path = tmp_path / "m.pkl"
        path.write_bytes(generator.bytes(40) if number % 2 else b"\x80\x04" + generator.bytes(40))
        with pytest.raises(UserError):
            load_network(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.pkl", None, "there is no checkpoint"),
        ("m.onnx", b"x", "unknown suffix"),
        ("m.safetensors", b"not one", "no safetensors file"),
        ("m.pth", b"not one", "weights alone"),
        ("m.pkl", pickle.dumps([1, 2]), "contains a list"),
        ("m.pkl", pickle.dumps({"model": {}}), "no weights"),
        ("m.pkl", pickle.dumps({"model": {"a": 3}}), "entry 'a' is not an array"),
    ],
)
def test_other_files_are_told_what_is_wrong(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        load_network(tmp_path / name)


def test_published_names_and_shapes_are_those_of_the_full_size_network():
    with torch.device("meta"):
        network = PanopticFPN()
    ours = {name: str(tuple(value.shape)) for name, value in network.state_dict().items()}
    assert ours == {name: shape for name, shape, _ in PUBLISHED}


@pytest.mark.slow
def test_a_full_size_checkpoint_loads_strictly_and_segments(tmp_path):
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, shape, _ in PUBLISHED:
        value = torch.randn([int(n) for n in shape.strip("(),").split(",")], generator=generator)
        state[name] = value.abs() + 0.5 if name.endswith("running_var") else value * 0.02
    network = load_network(save_pickle(tmp_path / "full.pkl", state))
    assert same(network, state)
    picture = torch.randint(0, 256, (1, 90, 121, 3), generator=generator, dtype=torch.uint8)
    assert network.segment(picture, short_side=320)[0].ids.shape == (90, 121)
