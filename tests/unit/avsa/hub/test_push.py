"""A model goes to a hub, and `avsa.load` takes it from there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from helpers.errors import user_error
from helpers.fake_hub import OWNER, TOKEN, FakeHub
from helpers.tiny_models import tiny_content

from avsa.evals.result import Metric, Record, Result, Subject, write_record
from avsa.hub.fetch import fetch_model
from avsa.hub.load import load
from avsa.hub.push import push_model
from avsa.training.checkpoint import save_checkpoint
from yt360.hub.address import parse_address
from yt360.hub.repository import Access
from yt360.hub.upload import Pushed

NAME = f"{OWNER}/avsa-streets"
ADDRESS = parse_address(f"hf://{NAME}", "model")


@pytest.fixture
def run(tmp_path):
    """The folder of a run with one checkpoint."""
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    save_checkpoint(folder / "checkpoints" / "step-000000005.pt", tiny_content())
    return folder


def push(hub: FakeHub, checkpoint, **options) -> Pushed:
    return push_model(checkpoint, ADDRESS, Access(endpoint=hub.url, token=TOKEN), **options)


def record_of(weights_sha256: str) -> Record:
    result = Result(metrics={"accuracy": Metric(value=0.75, low=0.7, high=0.8, chance=0.5)})
    return Record(
        kind="avsa-bin", settings={}, subject=Subject(name="run", weights_sha256=weights_sha256),
        data={"path": "/home/me/streets"}, command="", version="", made_at="", device="cpu",
        result=result,
    )  # fmt: skip


def test_a_pushed_model_is_loaded_with_the_same_weights(fake_hub, run, tmp_path):
    push(fake_hub, run)
    access = Access(endpoint=fake_hub.url, token=TOKEN, cache=tmp_path / "cache")
    path = fetch_model(ADDRESS, access)
    assert load(path).weights_hash() == load(run).weights_hash()
    assert set(fake_hub.repos[NAME].files) == {
        ".gitattributes", "README.md", "config.yaml", "model.safetensors",
    }  # fmt: skip
    requests = len(fake_hub.requests)
    assert fetch_model(ADDRESS, access) == path
    assert fake_hub.count("GET", "/model.safetensors") == 1
    assert len(fake_hub.requests) > requests  # it looked for newer weights
    fake_hub.fault = lambda *_: 503
    assert fetch_model(ADDRESS, access) == path


def test_damaged_weights_in_the_cache_are_removed(fake_hub, run, tmp_path):
    push(fake_hub, run)
    access = Access(endpoint=fake_hub.url, token=TOKEN, cache=tmp_path / "cache")
    path = fetch_model(ADDRESS, access)
    content = path.read_bytes()
    path.resolve().write_bytes(b"x" + content[1:])
    with user_error("invalid"):
        fetch_model(ADDRESS, access)
    assert fetch_model(ADDRESS, access).read_bytes() == content


def test_the_card_has_the_evaluations_of_these_weights_alone(fake_hub, run):
    ours = load(run).weights_hash()
    write_record(record_of(ours), run / "eval" / "avsa-bin.json")
    other = replace(record_of("0" * 64), kind="avc-bin")
    write_record(other, run / "eval" / "avc-bin.json")
    push(fake_hub, run)
    card = fake_hub.repos[NAME].files["README.md"].decode()
    assert (
        "| `avsa-bin` | `streets` | `accuracy` | 75.00 % | 70.00 % to 80.00 % | 50.00 % |" in card
    )
    assert "avc-bin" not in card
    assert "/home/me" not in card
    assert f'avsa.load("hf://{NAME}")' in card


def test_the_same_model_again_changes_nothing_and_another_needs_to_replace_it(fake_hub, run):
    push(fake_hub, run)
    commits = len(fake_hub.repos[NAME].commits)
    assert push(fake_hub, run).sent == 0
    assert len(fake_hub.repos[NAME].commits) == commits
    newer = tiny_content()
    newer["encoders"] = {
        n: t + 1 if t.is_floating_point() else t for n, t in newer["encoders"].items()
    }
    save_checkpoint(run / "checkpoints" / "step-000000009.pt", {**newer, "step": 9})
    before = dict(fake_hub.repos[NAME].files)
    with user_error("exists"):
        push(fake_hub, run)
    assert fake_hub.repos[NAME].files == before
    push(fake_hub, run, replace=True)
    assert fake_hub.repos[NAME].files["model.safetensors"] != before["model.safetensors"]


def test_an_interrupted_push_of_a_model_goes_on(fake_hub, run):
    fake_hub.fault = lambda _, path: 400 if "/commit/" in path else None
    with user_error("invalid"):
        push(fake_hub, run)
    fake_hub.fault, fake_hub.requests = lambda *_: None, []
    push(fake_hub, run)
    assert fake_hub.count("PUT", "/lfs/") == 0
    assert "model.safetensors" in fake_hub.repos[NAME].files


def test_what_is_no_checkpoint_is_not_pushed(fake_hub, tmp_path):
    with user_error("missing"):
        push(fake_hub, tmp_path / "none")
    assert fake_hub.repos == {}


def test_a_model_that_is_not_there_is_missing(fake_hub, tmp_path):
    with user_error("missing"):
        fetch_model(ADDRESS, Access(endpoint=fake_hub.url, token=TOKEN, cache=tmp_path / "cache"))


def test_an_address_of_a_dataset_is_no_model():
    with user_error("invalid"):
        load("hf://datasets/me/streets")
