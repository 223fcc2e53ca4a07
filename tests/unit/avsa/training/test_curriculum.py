"""Batches that ranks can share, told beforehand."""

import re
import shlex
from itertools import pairwise

import pytest
from click.testing import CliRunner
from helpers.paths import REPOSITORY

from avsa.cli import cli
from avsa.config.recipe import load_config, recipe_names
from avsa.training.curriculum import lay_out, require_shareable
from yt360.errors import UserError


@pytest.mark.parametrize(
    ("recipe", "overrides", "ranks", "message"),
    [
        ("avsa", [], 8, r"avsa\.batch_size is 28, which 8 .*start 7 or 14 ranks, or --set stages\."
         r"avsa\.batch_size=24 or 32$"),
        ("avsa", [], 5, r"avc\.batch_size is 112.*start 4 or 7 ranks, or --set stages\.avc\."
         r"batch_size=110 or 115 and stages\.avsa\.batch_size=25 or 30$"),
        ("avsa", [], 64, r"start 28 ranks, or --set stages\.avc\.batch_size=64 or 128 and stages"
         r"\.avsa\.batch_size=64$"),
        ("small", [], 7, r"start 6 or 8 ranks, or --set stages\.avsa\.batch_size=21 or 28$"),
        ("small", ["stages.avsa.batch_size=23"], 2, r"start 1 or 23 ranks.*batch_size=22 or 24$"),
    ],
)  # fmt: skip
def test_ranks_that_cannot_share_a_batch_get_numbers_that_fit(recipe, overrides, ranks, message):
    with pytest.raises(UserError, match=message) as caught:
        lay_out(load_config(recipe, overrides), ["v"], [0], ranks)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("recipe", recipe_names())
def test_proposed_numbers_work(recipe):
    config = load_config(recipe)
    for ranks in (2, 3, 5, 8, 16, 30, 200):
        try:
            require_shareable(config, ranks)
        except UserError as error:
            assert_proposals_work(recipe, ranks, str(error))


def assert_proposals_work(recipe, ranks, error):
    counts = re.search(r"start ([\d or]+) ranks", error)[1].split(" or ")
    for count in counts:
        require_shareable(load_config(recipe), int(count))
    proposals = re.findall(r"(stages\.[\w-]+\.batch_size)=([\d or]+)", error)
    for choice in (0, -1):
        changes = [f"{key}={sizes.strip().split(' or ')[choice]}" for key, sizes in proposals]
        require_shareable(load_config(recipe, changes), ranks)


def documented_torchrun_commands():
    texts = {path.name: path.read_text() for path in (REPOSITORY / "docs").glob("*.md")}
    texts["README.md"] = (REPOSITORY / "README.md").read_text()
    texts["avsa train --help"] = CliRunner().invoke(cli, ["train", "--help"]).output
    joined = {name: text.replace("\\\n", " ") for name, text in texts.items()}
    return [
        (name, line.strip())
        for name, text in joined.items()
        for line in text.splitlines()
        if "torchrun --" in line and "avsa train" in line
    ]


def test_documented_commands_start_ranks_that_can_share_their_batches():
    commands = documented_torchrun_commands()
    assert {"training.md", "avsa train --help"} <= {name for name, _ in commands}
    for name, line in commands:
        words = shlex.split(line.removeprefix("$ "))
        pairs = list(pairwise(words))
        given, overrides = dict(pairs), [value for option, value in pairs if option == "--set"]
        config = load_config(given["--recipe"], overrides)
        ranks = int(given["--nproc-per-node"])
        try:
            require_shareable(config, ranks)
        except UserError as error:
            pytest.fail(f"{name}: {line}: {error}")
