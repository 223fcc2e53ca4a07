"""The commands against a hub on loopback, as users run them, and `datasets` on the shards."""

from __future__ import annotations

import os
import subprocess
import sys

import soundfile
from helpers.fake_hub import TOKEN
from helpers.licensed_datasets import EXAMPLE
from helpers.tiny_models import tiny_content

import yt360
from avsa.hub.load import load
from avsa.training.checkpoint import save_checkpoint


def run(hub, home, *arguments, token=TOKEN):
    paths = os.pathsep.join(sys.path)
    settings = {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_TOKEN": token}
    settings |= {"HF_DATASETS_OFFLINE": "1"}
    environment = os.environ | settings | {"PYTHONPATH": paths}
    return subprocess.run(
        [sys.executable, *map(str, arguments)], env=environment, cwd=home, text=True,
        capture_output=True,
    )  # fmt: skip


FIRST_CLIP = """
import sys

from datasets import Features, Value, load_dataset

kinds = {"flac": Value("binary"), "mp4": Value("binary"), "__key__": Value("string")}
clips = load_dataset(sys.argv[1], split="test", streaming=True, features=Features(kinds))
clip = next(iter(clips))
open(sys.argv[2] + "/" + clip["__key__"], "wb").write(clip["flac"])
"""


def test_a_dataset_goes_to_a_hub_and_back_by_the_commands(fake_hub, tmp_path):
    pushed = run(fake_hub, tmp_path, "-m", "yt360", "push", EXAMPLE, "hf://datasets/street",
                 "--i-have-the-rights")  # fmt: skip
    assert pushed.returncode == 0, pushed.stderr
    assert "hf://datasets/me/street: " in pushed.stdout
    assert fake_hub.repos["datasets/me/street"].files["picture.png"].startswith(b"\x89PNG")
    pulled = run(fake_hub, tmp_path, "-m", "yt360", "pull", "hf://datasets/me/street")
    assert pulled.returncode == 0, pulled.stderr
    shard = "train/clips-000000.tar"
    assert (tmp_path / "street" / shard).read_bytes() == (EXAMPLE / shard).read_bytes()
    (tmp_path / "audio").mkdir()
    read = run(fake_hub, tmp_path, "-c", FIRST_CLIP, tmp_path / "street", tmp_path / "audio")
    assert read.returncode == 0, read.stderr
    [file] = (tmp_path / "audio").iterdir()
    samples, rate_hz = soundfile.read(file, dtype="float32")
    clip = yt360.read_clip(EXAMPLE, file.name)
    assert (samples.shape, rate_hz) == (clip.ambix.T.shape, clip.sample_rate_hz)
    assert (samples == clip.ambix.T).all()
    refused = run(
        fake_hub, tmp_path, "-m", "yt360", "pull", "hf://datasets/me/street", token="hf_wrong"
    )
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1


def test_a_model_goes_to_a_hub_and_is_loaded_from_there(fake_hub, tmp_path):
    save_checkpoint(tmp_path / "c.pt", tiny_content())
    pushed = run(fake_hub, tmp_path, "-m", "avsa", "push", tmp_path / "c.pt", "hf://tiny")
    assert pushed.returncode == 0, pushed.stderr
    program = "import avsa; print(avsa.load('hf://me/tiny').weights_hash())"
    loaded = run(fake_hub, tmp_path, "-c", program)
    assert loaded.stdout.strip() == load(tmp_path / "c.pt").weights_hash(), loaded.stderr
