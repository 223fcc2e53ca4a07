"""Commands load on use; a user's mistake is one line and exit code 2."""

from __future__ import annotations

import errno
import os
import pkgutil
import signal
import sqlite3
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from helpers.errors import user_error

import avsa.cli
import yt360.cli
from yt360.commands.group import (
    PATH_OR_URL,
    LazyGroup,
    StrictGroup,
    renamed_options,
    unique_keys,
)
from yt360.commands.run import run
from yt360.commands.system_errors import ADVICE
from yt360.errors import BadItem, UserError, did_you_mean

PROGRAMS = {"yt360": yt360.cli, "avsa": avsa.cli}
SCENES = ["yt360", "scenes", "OUT"]
ALL_COMMANDS = [(program, name) for program, module in PROGRAMS.items() for name in module.COMMANDS]


def group_that_raises(error: Exception) -> click.Group:
    group = click.Group()

    @group.command("work")
    def work() -> None:
        raise error

    return group


@pytest.mark.parametrize(
    "error",
    [UserError("no such\nfile"), BadItem("silent", "below -60 dBFS"), OSError(28, "No space left")],
)
def test_mistakes_of_the_user_are_one_line_and_exit_code_2(error, capsys):
    with pytest.raises(SystemExit) as stop:
        run(group_that_raises(error), ["work"])
    printed = capsys.readouterr().err
    assert stop.value.code == 2
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "url"),
    [
        (["scenes", "s3://b/c"], "s3://b/c"),
        (["scenes", "file:///c"], "file:///c"),
        (["catalog", "export", "c.catalog", "s3://b/c.csv"], "s3://b/c.csv"),
        (["probe", "a.mp4", "https://b/c.mp4"], "https://b/c.mp4"),
        (["inspect", "media", "--report=s3:/b/c.html"], "s3://b/c.html"),
    ],
)
def test_a_url_in_place_of_a_local_path_is_refused_before_anything_is_written(
    words, url, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with user_error("unsupported", url):
        yt360.cli.cli(words, standalone_mode=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (["scenes", ""], "OUT"),
        (["probe", "a.mp4", ""], "FILES"),
        (["download", "my.catalog", "--media="], "--media"),
        (["build-shards", "a.mp4", "--out", ""], None),
    ],
)
def test_an_empty_path_is_not_the_current_folder(words, key, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with user_error("empty", key):
        yt360.cli.cli(words, standalone_mode=False)
    assert not list(tmp_path.iterdir())


def test_a_parameter_for_paths_and_urls_takes_both():
    given = []

    @click.command()
    @click.option("--media", type=PATH_OR_URL)
    def work(media: Path) -> None:
        given.append(media)

    group = StrictGroup(commands={"work": work})
    for value in ("a/b", "s3://b/c"):
        group(["work", "--media", value], standalone_mode=False)
    assert given == [Path("a/b"), Path("s3://b/c")]


@pytest.mark.parametrize("number", sorted(ADVICE))
def test_trouble_with_files_names_them_and_says_what_to_do(number, capsys):
    error = OSError(number, os.strerror(number), "/data/\udcff.json")
    with pytest.raises(SystemExit) as stop:
        run(group_that_raises(error), ["work"])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    what = os.strerror(number)
    assert said.startswith(f"error: /data/\\xff.json: {what[0].lower()}{what[1:]}; ")
    assert "Errno" not in said and said.count("\n") == 1


def test_a_sentence_of_ours_stays_as_it_is(capsys):
    with pytest.raises(SystemExit):
        run(group_that_raises(OSError(28, "only 3 GB are free", "/data")), ["work"])
    assert capsys.readouterr().err == "error: /data: only 3 GB are free\n"


def test_a_database_on_a_full_disk_is_one_line_and_exit_code_2(capsys):
    connection = sqlite3.connect(":memory:")
    connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(sqlite3.OperationalError) as full:
        connection.execute("CREATE TABLE t (x)")
    with pytest.raises(SystemExit) as stop:
        run(group_that_raises(full.value), ["work"])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said == f"error: database or disk is full; {ADVICE[errno.ENOSPC]}\n"


def test_trouble_with_a_database_names_the_file(tmp_path, capsys):
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(sqlite3.OperationalError) as full:
            connection.execute("CREATE TABLE t (x)")
    full.value.add_note(str(path))
    with pytest.raises(SystemExit):
        run(group_that_raises(full.value), ["work"])
    assert capsys.readouterr().err.startswith(f"error: {path}: database or disk is full; free ")


def test_a_locked_database_is_one_line_and_exit_code_2(tmp_path, capsys):
    with sqlite3.connect(tmp_path / "x.db", isolation_level=None) as first:
        first.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError) as locked:
            sqlite3.connect(tmp_path / "x.db", timeout=0).execute("CREATE TABLE t (x)")
    with pytest.raises(SystemExit) as stop:
        run(group_that_raises(locked.value), ["work"])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said == "error: database is locked; wait until the other program ends, or stop it\n"


def test_a_query_with_a_mistake_is_a_bug_and_keeps_its_traceback():
    with pytest.raises(sqlite3.OperationalError) as wrong:
        sqlite3.connect(":memory:").execute("SELECT x FROM nowhere")
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        run(group_that_raises(wrong.value), ["work"])


@pytest.mark.parametrize(
    ("number", "word"), [(1, "hung up"), (2, "interrupted"), (15, "terminated")]
)
def test_interruption_says_how_to_go_on(number, word, capsys):
    group, before = click.Group(), signal.getsignal(number)

    @group.command("work")
    def work() -> None:
        signal.raise_signal(number)

    with pytest.raises(SystemExit) as stop:
        run(group, ["work"])
    assert stop.value.code == 128 + number
    assert capsys.readouterr().err.strip() == f"{word}; run the same command again to continue"
    assert signal.getsignal(number) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_fails_after_a_signal_that_a_library_dropped_is_an_interruption(number, capsys):
    group = click.Group()

    @group.command("work")
    def work() -> None:
        with suppress(KeyboardInterrupt):  # as torch does while it looks for numpy
            signal.raise_signal(number)
        raise RecursionError

    with pytest.raises(SystemExit) as stop:
        run(group, ["work"])
    assert stop.value.code == 128 + number
    assert capsys.readouterr().err.strip().count("\n") == 0


def test_the_end_of_a_file_is_no_interruption():
    with pytest.raises(EOFError):
        run(group_that_raises(EOFError("Ran out of input")), ["work"])


def test_bugs_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        run(group_that_raises(ZeroDivisionError()), ["work"])


@pytest.mark.parametrize(("program", "name"), ALL_COMMANDS)
def test_every_command_has_help_with_an_example_of_itself(program, name):
    group = PROGRAMS[program].cli
    command = group.get_command(click.Context(group), name)
    text = command.get_help(click.Context(command, info_name=name))
    assert command.name == name
    assert command.help
    if not isinstance(command, click.Group):
        assert f"  {program} {name}" in text
    else:
        context = click.Context(command, info_name=name)
        for sub in command.list_commands(context):
            help_text = command.get_command(context, sub).get_help(context)
            assert f"  {program} {name} {sub}" in help_text, sub


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_module_is_listed(program):
    package = import_module(f"{program}.commands")
    modules = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    found = {each.name for each in modules if hasattr(import_module(each.name), "command")}
    listed = dict(PROGRAMS[program].COMMANDS)
    for target, _ in PROGRAMS[program].COMMANDS.values():
        listed |= getattr(import_module(target).command, "modules", {})
    assert found == {target for target, _ in listed.values()}


def commands_of(group, *path):
    """Yield the path and the command of every command below a group."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands_of(command, *path, name)
        else:
            yield (*path, name), command


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_option_of_one_value_is_refused_when_given_twice(program):
    group = PROGRAMS[program].cli
    tried = 0
    for path, command in commands_of(group):
        for option in command.params:
            if not isinstance(option, click.Option) or option.multiple or option.count:
                continue
            if option.hidden:  # a former option
                continue
            if option.is_eager and option.is_flag:  # does nothing else, as --help
                continue
            words = [option.opts[0], *([] if option.is_flag else ["1"] * option.nargs)]
            again = [option.secondary_opts[0]] if option.secondary_opts else words
            with user_error("conflict", key=option.opts[0]):
                group.main([*path, *words, *again], standalone_mode=False)
            tried += 1
    assert tried > 10


def test_options_of_one_name_count_together_and_repeatable_ones_may_repeat():
    group = StrictGroup()

    @group.command("work")
    @click.option("--fast", "speed", flag_value="fast")
    @click.option("--slow", "speed", flag_value="slow")
    @click.option("--only", multiple=True)
    @click.option("-v", "verbosity", count=True)
    def work(speed: str, only: tuple[str, ...], verbosity: int) -> str:
        return f"{speed} {only} {verbosity}"

    arguments = ["work", "--fast", "--only", "a", "--only", "b", "-vv"]
    assert group.main(arguments, standalone_mode=False) == "fast ('a', 'b') 2"
    with user_error("conflict", key="--fast"):
        group.main(["work", "--fast", "--slow"], standalone_mode=False)


@pytest.mark.parametrize("words", [["--old"], ["--old", "1"], ["--old=1"], ["--old", "--new", "2"]])
def test_a_renamed_option_is_refused_with_the_new_name(words):
    group = StrictGroup()

    @group.command("work")
    @click.argument("folder")
    @click.option("--new")
    @renamed_options({"--old": "--new", "--older": "--new"})
    def work(folder: str, new: str) -> str:
        return f"{folder} {new}"

    for arguments in ([*words, "folder"], ["folder", *words], words):
        with user_error("unknown-name", key="--old"):
            group.main(["work", *arguments], standalone_mode=False)
    assert group.main(["work", "--new", "2", "folder"], standalone_mode=False) == "folder 2"
    assert "--old" not in CliRunner().invoke(group, ["work", "--help"]).output


@pytest.mark.parametrize(
    ("changes", "twice"),
    [
        (["seed=1", "seed=2"], "seed"),
        (["seed=1", "seed=1"], "seed"),
        (["optimizer.lr=1", "optimizer={}"], "optimizer"),
        (["optimizer={}", "optimizer.lr=1"], "optimizer"),
    ],
)
def test_no_key_may_be_set_twice(changes, twice):
    words = [part for change in changes for part in ("--set", change)]
    for command in (["avsa", "train"], ["avsa", "stats", "D"], ["avsa", "preview"], SCENES):
        with user_error("conflict", key=twice):
            PROGRAMS[command[0]].cli.main([*command[1:], *words], standalone_mode=False)


def test_keys_that_begin_alike_are_two_keys():
    option = click.Option(["--set"], multiple=True)
    changes = ("views.size=1", "views.size_deg=2", "views.kind=a")
    assert unique_keys(click.Context(click.Command("x")), option, changes) == changes


def test_help_is_shown_whatever_else_is_given(capsys):
    with pytest.raises(SystemExit) as stop:
        run(avsa.cli.cli, ["train", "--data", "A", "--data", "B", "--help"])
    assert stop.value.code == 0
    assert "--data TEXT" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["catalog"]])
def test_the_help_is_shown_in_its_lines_where_no_command_is_given(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        run(yt360.cli.cli, arguments)
    lines = capsys.readouterr().err.splitlines()
    assert stop.value.code == 2
    assert "Commands:" in lines and "Options:" in lines


def test_unknown_command_is_refused():
    group = LazyGroup("x", modules={})
    with pytest.raises(SystemExit) as stop:
        run(group, ["nonsense"])
    assert stop.value.code == 2


def test_nearest_name_is_offered_else_all_names():
    assert did_you_mean("bacth_size", ["batch_size", "epochs"]) == "; did you mean 'batch_size'?"
    assert did_you_mean("zzz", ["b", "a"]) == "; known: a, b"


@pytest.mark.parametrize("words", [["serch"], ["catalog", "shwo"]])
def test_an_unknown_command_is_refused(words):
    with user_error("unknown-name", key=words[-1]):
        yt360.cli.cli.main(words, standalone_mode=False)
    assert yt360.cli.cli.main(["--version"], standalone_mode=False) == 0
