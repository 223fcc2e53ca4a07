"""All that commands say passes one place, which lets nothing act on the terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from helpers.paths import REPOSITORY

from yt360.catalog import Catalog
from yt360.cli import cli
from yt360.commands.run import run
from yt360.errors import UserError
from yt360.terminal.output import echo, echo_json, echo_marked
from yt360.terminal.progress import Progress

HOSTILE = "evil\x1b]0;owned\x07\x1b[2J\nerror: \u202egpj"
SHOWN = r"evil\x1b]0;owned\x07\x1b[2J\nerror: \u202egpj"
GUARDED = "import logging, threading, warnings, sys; from yt360.terminal.output import *; guard(); "

PRINTING = (
    "from yt360.commands.run import run; import click; g = click.Group(); "
    "g.command('work')(lambda: {}); run(g, ['work'])"
)


def python(code, **options):
    """Run a program that prints as a command does."""
    program = [sys.executable, "-c", GUARDED + code]
    return subprocess.run(program, text=True, stderr=subprocess.PIPE, **options)


def test_a_line_stays_a_line(capsys):
    echo(HOSTILE, 3)
    echo(HOSTILE, err=True)
    assert capsys.readouterr() == (f"{SHOWN}\n3\n", f"{SHOWN}\n")


def test_json_and_marked_lines_pass_too(capsys):
    echo_json({"title": HOSTILE})
    said = capsys.readouterr().out
    assert json.loads(said) == {"title": HOSTILE}
    assert "\x1b" not in said and "\u202e" not in said and said.count("\n") == 3
    echo_marked("ok", "green", HOSTILE)
    assert capsys.readouterr().out == f"ok{SHOWN}\n"


def test_notes_of_progress_pass_too(capsys):
    with Progress("reading", None, "files") as progress:
        progress.note(HOSTILE)
    assert capsys.readouterr().err == f"{SHOWN}\n"


@pytest.mark.parametrize(
    "code",
    [
        "logging.getLogger('x').warning('%s', TEXT)",
        "warnings.warn(TEXT)",
        "raise ValueError(TEXT)",
        "threading.Thread(target=lambda: 1 / [].index(TEXT)).start()",
        "logging.getLogger('x').warning('failed', exc_info=OSError(TEXT))",
    ],
)
def test_logs_warnings_and_tracebacks_pass_too(code):
    said = python(f"TEXT = {HOSTILE!r}\n{code}").stderr
    assert r"evil\x1b]0;owned" in said
    assert "\x1b" not in said and "\u202e" not in said


def test_only_warnings_are_logged():
    assert python("logging.getLogger('x').info('quiet')").stderr == ""


def test_output_that_knows_few_characters_gets_escapes():
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = python("echo('360° 動画')", env=environment, stdout=subprocess.PIPE, encoding="latin-1")
    assert done.stdout == "360° \\u52d5\\u753b\n" and not done.stderr


@pytest.mark.parametrize("error", [UserError(HOSTILE), OSError(2, os.strerror(2), HOSTILE)])
def test_errors_are_one_visible_line(error, capsys):
    group = click.Group()

    @group.command("work")
    def work() -> None:
        raise error

    with pytest.raises(SystemExit):
        run(group, ["work"])
    said = capsys.readouterr().err
    assert r"evil\x1b]0;owned\x07\x1b[2J" in said
    assert said.count("\n") == 1 and said.rstrip("\n").isprintable()


@pytest.mark.parametrize("words", [["stats", f"--{HOSTILE}"], [HOSTILE]])
def test_mistakes_in_the_command_line_pass_too(words, capsys):
    with pytest.raises(SystemExit) as stop:
        run(cli, words)
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert r"evil\x1b]0;owned" in said.splitlines()[-1]
    assert "\x1b" not in said and "\u202e" not in said


def test_an_endless_message_is_cut(capsys):
    group = click.Group()

    @group.command("work")
    def work() -> None:
        raise UserError("x" * 10**6)

    with pytest.raises(SystemExit):
        run(group, ["work"])
    assert len(capsys.readouterr().err) < 3000


@pytest.fixture
def hostile_catalog(tmp_path):
    """A catalog in which every text of a video is hostile."""
    path = tmp_path / "x.catalog"
    with Catalog(path, create=True) as catalog:
        catalog.videos.add("kqAZkf5Odyw")
        catalog.connection.execute(
            "UPDATE videos SET title = ?1, channel = ?1, license = ?1, state = 'failed', "
            "reason = ?1, detail = ?1, facts = json_object(?1, ?1)",
            (HOSTILE,),
        )
    return path


@pytest.mark.parametrize(
    "words",
    [
        ["catalog", "show", "CATALOG"],
        ["catalog", "show", "CATALOG", "kqAZkf5Odyw"],
        ["catalog", "query", "CATALOG"],
        ["catalog", "query", "CATALOG", "--format", "csv"],
        ["catalog", "query", "CATALOG", "--format", "jsonl"],
        ["catalog", "query", "CATALOG", "--sql", "SELECT title AS 'a\x1b', facts FROM videos"],
        ["catalog", "export", "CATALOG", "OUT.csv"],
        ["catalog", "split", "CATALOG"],
        ["stats", "CATALOG"],
        ["stats", "CATALOG", "--json"],
        ["inspect", "CATALOG", "--again", "failed"],
    ],
)
def test_no_text_of_a_catalog_reaches_the_terminal_raw(words, hostile_catalog, tmp_path, capsys):
    places = {"CATALOG": str(hostile_catalog), "OUT.csv": str(tmp_path / "\x1b[31m.csv")}
    with pytest.raises(SystemExit) as stop:
        run(cli, [places.get(word, word) for word in words])
    said = capsys.readouterr()
    assert stop.value.code == 0 and said.out
    assert all(line.isprintable() for line in said.out.split("\n") + said.err.split("\n"))


def test_json_lines_on_the_terminal_hold_the_exact_value(hostile_catalog, capsys):
    with pytest.raises(SystemExit):
        run(cli, ["catalog", "query", str(hostile_catalog), "--format", "jsonl"])
    assert json.loads(capsys.readouterr().out)["title"] == HOSTILE


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_output_to_a_full_disk_is_one_line_and_exit_code_2():
    code = PRINTING.format("echo('x')")
    with Path("/dev/full").open("w") as full:
        done = python(code, stdout=full)
    assert done.returncode == 2
    assert done.stderr.startswith("error: standard output: no space left on device; ")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_work_goes_on_when_nobody_can_be_told():
    code = "[echo('x' * 9999, err=True) for _ in range(9)]; echo('done')"
    with Path("/dev/full").open("w") as full:
        program = [sys.executable, "-c", GUARDED + code]
        done = subprocess.run(program, text=True, stdout=subprocess.PIPE, stderr=full)
    assert (done.returncode, done.stdout) == (0, "done\n")


def test_a_closed_pipe_ends_a_command_quietly():
    code = PRINTING.format("[echo('x' * 9999) for _ in range(99)]")
    ours, theirs = os.pipe()
    os.close(ours)
    done = python(code, stdout=theirs)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(
    "line",
    ["click.echo(1)", "print(1)", "sys.stdout.write('')", "logging.basicConfig()", "import tqdm"],
)
def test_no_module_may_print_by_itself(line):
    program = "import logging\nimport sys\n\nimport click\n\n" + line
    check = ["ruff", "check", "--quiet", "--select", "T20,TID251"]
    named = subprocess.run(
        [sys.executable, "-m", *check, "--stdin-filename", "yt360/x.py", "-"],
        input=program + "\n", capture_output=True, text=True, cwd=REPOSITORY,
    )  # fmt: skip
    assert "x.py:6:" in named.stdout, named.stderr


def test_no_module_does():
    check = ["ruff", "check", "--quiet", "--select", "T20,TID251", "yt360", "avsa"]
    done = subprocess.run([sys.executable, "-m", *check], capture_output=True, cwd=REPOSITORY)
    assert (done.returncode, done.stdout) == (0, b"")
