"""Commands whose worker processes may run elsewhere."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from yt360.cli import cli
from yt360.errors import UserError

COMMANDS = {
    "build-shards": ["media", "--out", "dataset"],
    "scenes": ["scenes", "--videos", "1"],
    "check": ["dataset"],
    "dedup": ["dataset"],
    "pseudolabel": ["dataset", "--segmenter", "truth", "--scenes", "scenes"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("options", "code", "key"),
    [
        (["--executor", "rai"], "unknown-name", "--executor"),
        (["--executor-config", "cluster.yaml"], "conflict", "--executor-config"),
    ],
)
def test_an_executor_that_cannot_be_chosen_is_refused_before_anything_is_written(
    command, options, code, key, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    error = CliRunner().invoke(cli, [command, *COMMANDS[command], *options]).exception
    assert isinstance(error, UserError)
    assert (error.code, error.key) == (code, key)
    assert not list(tmp_path.iterdir())
