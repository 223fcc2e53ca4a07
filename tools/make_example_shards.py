"""Rebuild the small dataset in ``shards/`` from synthetic scenes with a fixed seed.

    python tools/make_example_shards.py

The dataset is stored beside the specification of the format, so that training, previews and tests
can start right after installation. It has 16 training videos, as many as a batch of the recipe
``small``, and a label set ``panoptic`` with the ground truth of the scenes.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from yt360.cli import cli
from yt360.labels.format.label_set import DEFAULT_NAME, LabelSet
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.shards.format.schema import DATASET_FILE
from yt360.splits import SPLITS

TARGET = Path(__file__).resolve().parents[1] / "shards"
MAX_BYTES = 4_000_000
SCENES = {
    "--videos": "18",
    "--seed": "0",
    "--duration-s": "2",
    "--size": "320x160",
    "--preset": "easy",
    "--set": "noise_db=none",
}
BUILD = {
    "--clip-s": "2",
    "--height": "160",
    "--crf": "28",
    "--test-fraction": "0.1",
    "--shard-mb": "1",
}

LABEL = {"--segmenter": "truth", "--views": "panorama", "--height": "160"}


def main() -> None:
    """Render, build, label, check, and replace the dataset in ``shards/``."""
    with TemporaryDirectory() as work:
        scenes, dataset = Path(work) / "scenes", Path(work) / "dataset"
        run("scenes", str(scenes), SCENES)
        run("build-shards", str(scenes), BUILD | {"--out": str(dataset)})
        run("pseudolabel", str(dataset), LABEL | {"--scenes": str(scenes)})
        run("check", str(dataset), {})
        info = DatasetInfo.load(dataset)
        size = sum(path.stat().st_size for path in dataset.rglob("*") if path.is_file())
        if size > MAX_BYTES or info.rejected:
            sys.exit(f"{size} bytes and {len(info.rejected)} rejections; at most {MAX_BYTES} and 0")
        replace_dataset(dataset)
    print(f"{TARGET}: {info.num_clips} clips, {size} bytes")


def run(command: str, folder: str, options: Mapping[str, str]) -> None:
    """Run a yt360 command."""
    arguments = [word for option in options.items() for word in option]
    cli.main(args=[command, folder, *arguments], standalone_mode=False)


def replace_dataset(dataset: Path) -> None:
    """Replace the dataset in ``shards/``; keep its README."""
    files = (DATASET_FILE, LabelSet.path(dataset, DEFAULT_NAME).name)
    for name in files:
        (TARGET / name).unlink(missing_ok=True)
    for split in SPLITS:
        shutil.rmtree(TARGET / split, ignore_errors=True)
        shutil.copytree(dataset / split, TARGET / split)
    for name in files:
        shutil.copy(dataset / name, TARGET / name)


if __name__ == "__main__":
    main()
