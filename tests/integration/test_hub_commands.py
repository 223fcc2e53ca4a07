"""The commands against a hub on loopback, as users run them, and `datasets` on the shards."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import soundfile
from helpers import processes
from helpers.fake_hub import TOKEN
from helpers.licensed_datasets import EXAMPLE
from helpers.tiny_models import tiny_content

import avsa
import yt360
from avsa.hub.load import load
from avsa.training.checkpoint import save_checkpoint


def call(home, function, *arguments):
    """Run a function of this file in a folder; the function of a process."""
    os.chdir(home)
    globals()[function](*arguments)


def run(hub, home, function, *arguments, token=TOKEN):
    """Run a function of this file in a process of its own; return its exit code and its output.

    It must not have imported huggingface_hub, which reads the environment when it is imported.
    """
    settings = {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_TOKEN": token}
    settings |= {"HF_DATASETS_OFFLINE": "1"}
    output = home / "output.txt"
    words = map(str, arguments)
    process = processes.start(__file__, "call", home, function, *words, output=output, **settings)
    process.join()
    return process.exitcode, output.read_text()


def yt360_command(*words):
    processes.yt360_command(*words)


def avsa_command(*words):
    from avsa.cli import main

    sys.argv = ["avsa", *words]
    main()


def print_hash(address):
    print(avsa.load(address).weights_hash())  # noqa: T201


def write_first_clip(dataset, folder):
    from datasets import Features, Value, load_dataset

    kinds = {"flac": Value("binary"), "mp4": Value("binary"), "__key__": Value("string")}
    clips = load_dataset(dataset, split="test", streaming=True, features=Features(kinds))
    clip = next(iter(clips))
    (Path(folder) / clip["__key__"]).write_bytes(clip["flac"])


def test_a_dataset_goes_to_a_hub_and_back_by_the_commands(fake_hub, tmp_path):
    address = "hf://datasets/me/street"
    code, output = run(fake_hub, tmp_path, "yt360_command", "push", EXAMPLE,
                       "hf://datasets/street", "--i-have-the-rights")  # fmt: skip
    assert code == 0, output
    assert f"{address}: " in output
    assert fake_hub.repos["datasets/me/street"].files["picture.png"].startswith(b"\x89PNG")
    code, output = run(fake_hub, tmp_path, "yt360_command", "pull", address)
    assert code == 0, output
    shard = "train/clips-000000.tar"
    assert (tmp_path / "street" / shard).read_bytes() == (EXAMPLE / shard).read_bytes()
    (tmp_path / "audio").mkdir()
    code, output = run(
        fake_hub, tmp_path, "write_first_clip", tmp_path / "street", tmp_path / "audio"
    )
    assert code == 0, output
    [file] = (tmp_path / "audio").iterdir()
    samples, rate_hz = soundfile.read(file, dtype="float32")
    clip = yt360.read_clip(EXAMPLE, file.name)
    assert (samples.shape, rate_hz) == (clip.ambix.T.shape, clip.sample_rate_hz)
    assert (samples == clip.ambix.T).all()
    code, output = run(fake_hub, tmp_path, "yt360_command", "pull", address, token="hf_wrong")
    assert code == 2
    assert len(output.splitlines()) == 1


def test_a_model_goes_to_a_hub_and_is_loaded_from_there(fake_hub, tmp_path):
    save_checkpoint(tmp_path / "c.pt", tiny_content())
    code, output = run(fake_hub, tmp_path, "avsa_command", "push", tmp_path / "c.pt", "hf://tiny")
    assert code == 0, output
    code, output = run(fake_hub, tmp_path, "print_hash", "hf://me/tiny")
    assert output.strip() == load(tmp_path / "c.pt").weights_hash(), output
