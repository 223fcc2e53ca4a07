"""The commands against a hub on loopback, as users run them, and `datasets` on the shards."""

from __future__ import annotations

import soundfile
from helpers import processes
from helpers.fake_hub import TOKEN
from helpers.licensed_datasets import EXAMPLE
from helpers.tiny_models import tiny_content

import yt360
from avsa.hub.load import load
from avsa.training.checkpoint import save_checkpoint


def run(hub, home, function, *arguments, token=TOKEN):
    """Run a function of `helpers.processes`; return its exit code and what it prints."""
    settings = {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_TOKEN": token}
    settings |= {"HF_DATASETS_OFFLINE": "1"}
    output = home / "printed.txt"
    process = processes.start(
        processes.__file__, function, home, *map(str, arguments), output=output, **settings
    )
    process.join()
    return process.exitcode, output.read_text()


FIRST_CLIP = """
from datasets import Features, Value, load_dataset

kinds = {"flac": Value("binary"), "mp4": Value("binary"), "__key__": Value("string")}
clips = load_dataset("street", split="test", streaming=True, features=Features(kinds))
clip = next(iter(clips))
open("audio/" + clip["__key__"], "wb").write(clip["flac"])
"""


def test_a_dataset_goes_to_a_hub_and_back_by_the_commands(fake_hub, tmp_path):
    code, printed = run(fake_hub, tmp_path, "command", "yt360", "push", EXAMPLE,
                        "hf://datasets/street", "--i-have-the-rights")  # fmt: skip
    assert code == 0, printed
    assert "hf://datasets/me/street: " in printed
    assert fake_hub.repos["datasets/me/street"].files["picture.png"].startswith(b"\x89PNG")
    pull = "command", "yt360", "pull", "hf://datasets/me/street"
    code, printed = run(fake_hub, tmp_path, *pull)
    assert code == 0, printed
    shard = "train/clips-000000.tar"
    assert (tmp_path / "street" / shard).read_bytes() == (EXAMPLE / shard).read_bytes()
    (tmp_path / "audio").mkdir()
    code, printed = run(fake_hub, tmp_path, "execute", FIRST_CLIP)
    assert code == 0, printed
    [file] = (tmp_path / "audio").iterdir()
    samples, rate_hz = soundfile.read(file, dtype="float32")
    clip = yt360.read_clip(EXAMPLE, file.name)
    assert (samples.shape, rate_hz) == (clip.ambix.T.shape, clip.sample_rate_hz)
    assert (samples == clip.ambix.T).all()
    code, printed = run(fake_hub, tmp_path, *pull, token="hf_wrong")
    assert code == 2
    assert len(printed.splitlines()) == 1


def test_a_model_goes_to_a_hub_and_is_loaded_from_there(fake_hub, tmp_path):
    save_checkpoint(tmp_path / "c.pt", tiny_content())
    code, printed = run(fake_hub, tmp_path, "command", "avsa", "push", "c.pt", "hf://tiny")
    assert code == 0, printed
    program = "import avsa; print(avsa.load('hf://me/tiny').weights_hash())"
    _, printed = run(fake_hub, tmp_path, "execute", program)
    assert printed.strip() == load(tmp_path / "c.pt").weights_hash()
