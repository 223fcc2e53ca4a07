"""The examples of docs/extending.md run as written there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import numpy as np
from helpers.paths import REPOSITORY

from yt360.labels.classes import NAMES, NO_CLASS
from yt360.labels.format.reader import LabelReader, LabelSet

PAGE = (REPOSITORY / "docs" / "extending.md").read_text(encoding="utf-8")


def test_a_segmenter_of_ones_own_labels_a_dataset(tmp_path):
    (tmp_path / "brightness.py").write_text(re.search(r"```python\n(.*?)```", PAGE, re.S)[1])
    command = re.search(r"^yt360 (--plugin .*) --name bright$", PAGE, re.M)[1].split()
    dataset = shutil.copytree(REPOSITORY / "shards", tmp_path / "DATASET")
    small = [
        "--views",
        "panorama",
        "--fps",
        "1",
        "--height",
        "32",
        "--split",
        "test",
        "--name",
        "bright",
    ]
    run = subprocess.run(
        [sys.executable, "-c", "from yt360.cli import main; main()", *command, *small],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    made_by = LabelSet.load(dataset, "bright").made_by
    assert made_by["segmenter"] == "brightness" and made_by["threshold"] == 150
    labels = LabelReader(dataset, "test", "bright")
    classes = [set(np.unique(labels.read(key).joint)) for key in labels.keys]
    assert classes and set.union(*classes) == {NAMES.index("sky"), NO_CLASS}
