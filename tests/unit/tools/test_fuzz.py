"""What the fuzzer says of doors that are broken in every way."""

from __future__ import annotations

import mmap
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from fuzzing.archives import mutate_tar
from fuzzing.door import Door
from fuzzing.mutate import mutate_json, to_json
from fuzzing.pickles import mutate_pickle
from fuzzing.run import fuzz

from yt360.errors import UserError


def door(read, **options) -> Door:
    """A door whose inputs are their own numbers."""

    def mutate(draw: Random, inputs) -> dict[str, bytes]:
        return {"file": draw.choice((b"a", b"b"))}

    return Door(
        name="planted", valid=lambda: [{"file": b"valid"}], mutate=mutate, read=read, **options
    )


def verdicts(read, **options) -> dict[str, int]:
    """What comes of three inputs: a valid one and two others."""
    return dict(fuzz(door(read, **options), seed=0, numbers=range(3)).counts)


def on_others(act):
    """Accept the valid input; do something on all others."""

    def read(folder: Path) -> None:
        if (folder / "file").read_bytes() != b"valid":
            act(folder)

    return read


def raise_error(error):
    raise error


def refuse_when_memory_is_short(folder):
    try:
        bytearray(1 << 40)
    except MemoryError:
        raise UserError("it is damaged") from None


def take_memory(folder):
    # A bytearray might lie in what this process has freed and still holds.
    taken = mmap.mmap(-1, 200 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for page in range(0, len(taken), mmap.PAGESIZE):
        taken[page] = 1


def catch_everything(folder):
    while True:
        try:
            time.sleep(60)
        except BaseException:
            continue


FAULTY = {
    "traceback": lambda _: {}["key"],
    "an error that is none of ours": lambda _: raise_error(ValueError("damaged")),
    "hang": lambda _: time.sleep(60),
    "memory": take_memory,
    "memory that is not there": refuse_when_memory_is_short,
    "crash": lambda _: os.kill(os.getpid(), signal.SIGSEGV),
    "exit": lambda _: os._exit(3),
    "a file outside": lambda folder: (folder.parent / "planted").write_text("x"),
    "a file elsewhere": lambda _: os.open("/tmp/planted-by-a-test", os.O_CREAT | os.O_RDONLY),
    "a file removed": lambda folder: (folder.parent / "victim" / "file").unlink(),
    "a file renamed": lambda folder: (folder / "file").rename(folder.parent / "planted"),
    "a refusal without a word": lambda _: raise_error(UserError("")),
}
EXPECTED = {
    "an error that is none of ours": "traceback",
    "memory that is not there": "memory",
    "exit": "crash",
    "a file outside": "outside",
    "a file elsewhere": "outside",
    "a file removed": "outside",
    "a file renamed": "outside",
    "a refusal without a word": "unclear",
}


@pytest.mark.parametrize("fault", FAULTY)
def test_a_planted_fault_is_noticed_and_the_next_input_is_read(fault):
    found = verdicts(
        on_others(FAULTY[fault]), limit_s=0.2 if fault == "hang" else 10.0, limit_mb=100
    )
    assert found == {"accepted": 1, EXPECTED.get(fault, fault): 2}
    Path("/tmp/planted-by-a-test").unlink(missing_ok=True)


def replace_a_link(folder):
    (folder / "link").symlink_to(folder.parent / "victim" / "file")
    (folder / "new").write_text("x")
    (folder / "new").rename(folder / "link")
    (folder / "link").unlink()


def test_a_link_inside_may_be_replaced_and_removed():
    assert verdicts(on_others(replace_a_link)) == {"accepted": 3}


def test_a_hang_that_catches_everything_is_killed(monkeypatch):
    monkeypatch.setattr("fuzzing.run.GRACE_S", 0.2)
    assert verdicts(on_others(catch_everything), limit_s=0.2) == {"accepted": 1, "hang": 2}


def test_refusals_in_one_line_are_no_faults():
    refuse = on_others(lambda _: raise_error(UserError("not as the format says")))
    assert verdicts(refuse) == {"accepted": 1, "refused": 2}


@pytest.mark.parametrize("seed", [0, 1])
def test_an_input_is_determined_by_seed_door_and_number(seed):
    def mutate(draw: Random, inputs) -> dict[str, bytes]:
        return {"file": draw.randbytes(8)}

    one = replace(door(print), mutate=mutate)
    inputs = [one.input(seed, number) for number in range(20)]
    assert inputs == [one.input(seed, number) for number in range(20)]
    assert len({each["file"] for each in inputs}) == 19  # the valid one is there twice
    assert inputs != [one.input(seed + 1, number) for number in range(20)]
    assert inputs != [replace(one, name="other").input(seed, number) for number in range(20)]


def changed_json(draw):
    return mutate_json(draw, to_json({"a": [1, 2.5, "x", None], "b": {"c": True}}))


def test_changes_are_seldom_none():
    draw = Random(0)
    tar = b"\0" * 10240
    assert len({changed_json(draw) for _ in range(100)}) > 80
    assert len({mutate_tar(draw, tar) for _ in range(100)}) > 80
    assert len({mutate_pickle(draw, b"\x80\x02]q\x00K\x01a.") for _ in range(100)}) > 80
