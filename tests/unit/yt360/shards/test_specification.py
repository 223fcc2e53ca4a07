"""The specification's examples run, and the example dataset is as the specification says."""

from __future__ import annotations

import re

import pytest
from helpers.paths import REPOSITORY

from yt360.shards.check.dataset import check_dataset
from yt360.shards.format.dataset_info import DatasetInfo

SPECIFICATION = REPOSITORY / "shards" / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", SPECIFICATION.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=["arrays", "split", "webdataset"])
def test_examples_of_the_specification_run(example, monkeypatch, capsys):
    monkeypatch.chdir(REPOSITORY)
    exec(compile(example, str(SPECIFICATION), "exec"), {"__name__": "__main__"})
    assert "scene-0000-0000-00000" in capsys.readouterr().out


def test_the_example_dataset_is_whole_small_and_fills_a_batch():
    folder = SPECIFICATION.parent
    assert list(check_dataset(folder)) == []
    info = DatasetInfo.load(folder)
    assert info.splits["train"].videos >= 16
    assert info.splits["test"].videos >= 2
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 4_000_000


def test_every_name_of_dataset_json_is_specified():
    text = SPECIFICATION.read_text(encoding="utf-8")
    content = DatasetInfo.load(SPECIFICATION.parent).to_json()
    names = [*content, *content["splits"]["train"], *content["splits"]["train"]["shards"][0]]
    assert [name for name in names if f"`{name}`" not in text] == []
