from __future__ import annotations

import logging
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from itertools import islice
from multiprocessing import Pipe
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import fatal_decoder as fatal
from helpers.changed_clips import ChangedClips
from helpers.errors import user_error

from avsa.data.decoder_pool import DecoderPool
from avsa.data.decoder_process import ClipTask, Source, serve
from avsa.data.loader import DataConfig, Loader
from avsa.data.order import SequentialOrder
from avsa.data.raw import Buffer
from avsa.data.training_order import TrainingOrder
from yt360.clip_codec.decoder import ClipDecoder, locate_audio, locate_frames
from yt360.errors import UserError
from yt360.shards.format.reader import ShardReader

CONFIG = DataConfig(num_workers=2)


def make_pool():
    """A pool of decoders that marks in the audio kill, hang or confuse."""
    return closing(DecoderPool(f"{fatal.__name__}:FatalReader", limit_s=0.3))


@pytest.fixture(scope="module")
def pool():
    with make_pool() as made:
        yield made


@pytest.fixture
def own_pool():
    with make_pool() as made:
        yield made


@pytest.fixture
def marked(tiny_dataset, tmp_path):
    """Return a function that returns a split in which the audio of clips is a mark."""

    def with_mark(mark, *bad):
        clips = ChangedClips(shutil.copytree(tiny_dataset, tmp_path / "marked"), "train")
        for clip in bad:
            clips.change(clip, "flac", partial(fatal.marked, mark=mark))
        return clips

    return with_mark


def decode_audio(pool, clips, numbers, processes=1, stop=None):
    """Return the first second of clips, and their errors."""
    buffer = Buffer.of_shapes((0, 8, 64, 128), (0, 2, 8, 32, 64), (len(numbers), 4, 24000))
    located = enumerate(clips.locate(numbers))
    tasks = [ClipTask(location, row, (), (0,)) for row, location in located]
    errors = pool.decode(Source.of_folder(clips.dataset), tasks, buffer, processes, stop)
    return buffer.audio, errors


def take(loader, count):
    return [
        replace(raw, luma=raw.luma.clone(), audio=raw.audio.clone())
        for raw in islice(loader.batches(), count)
    ]


def ends(pid):
    """Whether a process ends soon."""
    for _ in range(200):
        with suppress(ProcessLookupError):
            os.kill(pid, 0)
            if "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text():
                time.sleep(0.05)
                continue
        return True
    return False


def test_a_process_decodes_what_a_decoder_does(tiny_dataset, pool):
    clips, decoder = ShardReader(tiny_dataset, "train"), ClipDecoder()
    numbers, frames, samples = [0, 5, 9], [9, 0, 27], [777, 0, 12000]
    buffer = Buffer.of_shapes((6, 20, 64, 128), (6, 2, 20, 32, 64), (6, 4, 60000))
    tasks = [
        ClipTask(location, 2 * row, (frame, frame + 1), (sample, 3))
        for row, (location, frame, sample) in enumerate(
            zip(clips.locate(numbers), frames, samples, strict=True)
        )
    ]
    assert pool.decode(Source.of_folder(tiny_dataset), tasks, buffer, 2) == [None] * 3
    for number, task in zip(numbers, tasks, strict=True):
        for row in (0, 1):
            luma, chroma = np.zeros((20, 64, 128), np.uint8), np.zeros((2, 20, 32, 64), np.uint8)
            audio = np.zeros((4, 60000), np.int16)
            mp4, flac = clips.read(number, "mp4"), clips.read(number, "flac")
            located = locate_frames(mp4, task.frames[row], *luma.shape)
            decoder.decode_frames(*located, luma, chroma)
            decoder.decode_audio(*locate_audio(flac, task.samples[row], 60000, 4), audio)
            assert luma.any() and np.array_equal(buffer.luma[task.row + row], luma)
            assert np.array_equal(buffer.chroma[task.row + row], chroma)
            assert audio.any() and np.array_equal(buffer.audio[task.row + row], audio)


@pytest.mark.parametrize(
    ("mark", "reason"),
    [
        ("CRASH", "crash: the decoder died of it (exit code -11, SIGSEGV)"),
        ("HANG", "endless"),
        ("EAT", "memory: decoding takes more memory than a process may use"),
    ],
)
def test_a_clip_that_breaks_its_decoder_is_replaced_counted_and_logged(
    tiny_dataset, marked, pool, mark, reason, caplog
):
    whole = ShardReader(tiny_dataset, "train")
    order = TrainingOrder(whole.video_ids, 4, seed=0)
    bad = order.batch(1)[2].clip
    clips = marked(getattr(fatal, mark), bad)
    loader = Loader(clips, order, CONFIG, 0, decoders=pool)
    with caplog.at_level(logging.WARNING):
        batches = take(loader, 4)
    key = clips.keys[bad]
    assert loader.unreadable[key].startswith(reason) and loader.failed_reads >= 1
    assert caplog.text.count(key) == 1 and reason in caplog.text
    replacement = next(iter(order.replacements(order.batch(1)[2])))
    for batch, expected in zip(batches, take(Loader(whole, order, CONFIG, 0), 4), strict=True):
        others = [row for row, each in enumerate(expected.keys) if each != key]
        assert [batch.keys[row] for row in others] == [expected.keys[row] for row in others]
        assert torch.equal(batch.luma[others], expected.luma[others])
        assert torch.equal(batch.audio[others], expected.audio[others])
        assert key not in batch.keys
    assert batches[1].keys[2] == clips.keys[replacement]


def test_a_sequential_order_leaves_out_what_kills_the_decoder(marked, pool):
    clips = marked(fatal.CRASH, 2)
    loader = Loader(clips, SequentialOrder(len(clips), 4), CONFIG, 0, decoders=pool)
    keys = [key for raw in loader.batches() for key in raw.keys]
    assert keys == [key for clip, key in enumerate(clips.keys) if clip != 2]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_crash_among_many_clips_costs_that_clip_alone(tiny_dataset, marked, own_pool, processes):
    expected, _ = decode_audio(own_pool, ShardReader(tiny_dataset, "train"), range(16))
    expected = expected.clone()
    audio, errors = decode_audio(own_pool, marked(fatal.CRASH, 3, 9), range(16), processes)
    assert [clip for clip, error in enumerate(errors) if error] == [3, 9]
    assert {errors[clip].reason for clip in (3, 9)} == {"crash"}
    good = [clip for clip in range(16) if clip not in (3, 9)]
    assert torch.equal(audio[good], expected[good])


def test_processes_that_were_killed_meanwhile_cost_no_clip(tiny_dataset, own_pool):
    clips = ShardReader(tiny_dataset, "train")
    before, errors = decode_audio(own_pool, clips, range(16), 2)
    killed = own_pool.processes
    assert len(killed) == 2 and not any(errors)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    after, errors = decode_audio(own_pool, clips, range(16), 2)
    assert not any(errors) and torch.equal(before, after)
    assert own_pool.processes and not set(own_pool.processes) & set(killed)


def test_processes_that_cannot_start_are_an_error(tiny_dataset):
    clips = ShardReader(tiny_dataset, "train")
    with closing(DecoderPool("helpers.no_such_module:Reader")) as broken:
        for _ in range(2):
            with user_error("system", "data.num_workers"):
                decode_audio(broken, clips, range(4), 2)


def test_a_bug_of_the_decoder_is_raised_and_not_counted_as_a_bad_clip(marked, pool):
    clips = marked(fatal.BUG, 1)
    with pytest.raises(ArithmeticError, match="a bug"):
        decode_audio(pool, clips, [1])
    assert decode_audio(pool, clips, [0])[0].any()


def test_a_bug_that_cannot_be_sent_is_raised_as_text(marked, pool):
    with pytest.raises(RuntimeError, match="OddError: an odd bug"):
        decode_audio(pool, marked(fatal.ODD, 1), [1])


@contextmanager
def no_descriptors():
    """Let this process open no more files than it has."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as held:
        last = max(held.enter_context(Path(os.devnull).open()).fileno() for _ in range(20))
        resource.setrlimit(resource.RLIMIT_NOFILE, (last + 1, before[1]))
        try:
            with suppress(OSError):
                while True:
                    held.enter_context(Path(os.devnull).open())
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("started", [0, 1])
def test_a_lack_of_descriptors_is_an_error_and_loses_nothing(tiny_dataset, own_pool, started):
    clips = ShardReader(tiny_dataset, "train")
    if started:
        decode_audio(own_pool, clips, [0])
    buffer = Buffer.of_shapes((0, 8, 64, 128), (0, 2, 8, 32, 64), (1, 4, 24000))
    tasks = [ClipTask(clips.locate([0])[0], 0, (), (0,))]
    with no_descriptors(), user_error("system", "data.num_workers"):
        own_pool.decode(Source.of_folder(clips.dataset), tasks, buffer)
    assert decode_audio(own_pool, clips, range(4))[1] == [None] * 4


def test_no_process_in_place_of_one_that_died_is_an_error(marked, own_pool):
    clips, failures = marked(fatal.HANG, 0), []

    def work():
        try:
            decode_audio(own_pool, clips, [0])
        except UserError as error:
            failures.append(error.code)

    decode_audio(own_pool, clips, [1])
    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.1)  # it hangs until its limit of 0.3 s
    with no_descriptors():
        os.kill(own_pool.processes[0], signal.SIGKILL)
        thread.join(10)
    assert failures == ["system"]


def test_closing_at_any_time_leaves_no_one_waiting(tiny_dataset, own_pool):
    clips, ends_at, decoded = ShardReader(tiny_dataset, "train"), threading.Event(), []

    def work():
        while not ends_at.is_set():
            with suppress(CancelledError):
                decode_audio(own_pool, clips, range(16), 2)
                decoded.append(1)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        before = len(decoded)
        while len(decoded) < before + 3 and all(thread.is_alive() for thread in threads):
            time.sleep(0.01)
        own_pool.close()
    ends_at.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def test_a_bad_clip_leaves_the_process_for_the_next(marked, pool):
    clips = marked(b"noise!!!", 1)
    decode_audio(pool, clips, [0])
    before = pool.processes
    _, errors = decode_audio(pool, clips, [0, 1, 2])
    assert [error and error.reason for error in errors] == [None, "corrupt-audio", None]
    assert pool.processes == before


def test_shards_that_were_replaced_are_read_by_new_readers(marked, pool):
    clips = marked(fatal.BUG)
    before, _ = decode_audio(pool, clips, [0, 15])
    first, second = sorted((clips.dataset / "train").glob("clips-*.tar"))
    first.unlink()
    first.write_bytes(second.read_bytes())
    after, errors = decode_audio(pool, ShardReader(clips.dataset, "train"), [0, 15])
    assert errors[0] or not torch.equal(before[0], after[0])
    assert torch.equal(before[1], after[1])


def test_loaders_take_turns_with_the_processes(tiny_dataset, own_pool):
    clips = ShardReader(tiny_dataset, "train")
    for _ in range(2):
        order = TrainingOrder(clips.video_ids, 4, seed=0)
        take(Loader(clips, order, CONFIG, 0, decoders=own_pool), 2)
    assert 1 <= len(own_pool.processes) <= 2


def test_stopped_work_is_not_decoded(tiny_dataset, own_pool):
    stop = threading.Event()
    stop.set()
    with pytest.raises(CancelledError):
        decode_audio(own_pool, ShardReader(tiny_dataset, "train"), range(16), 1, stop)


def test_memory_of_batches_that_are_gone_is_unmapped(tiny_dataset, own_pool):
    clips = ShardReader(tiny_dataset, "train")
    for _ in range(4):
        decode_audio(own_pool, clips, range(4))
    (pid,) = own_pool.processes
    maps = Path(f"/proc/{pid}/maps").read_text()
    assert maps.count("memfd:avsa") <= 2


def test_closing_fails_what_waits(marked, own_pool):
    clips, failures = marked(fatal.HANG, 0), []

    def work():
        try:
            decode_audio(own_pool, clips, range(16))
        except CancelledError as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    while not own_pool.processes:
        time.sleep(0.01)
    own_pool.close()
    thread.join(10)
    assert failures and not own_pool.processes


def test_closing_ends_all_processes(tiny_dataset, own_pool):
    decode_audio(own_pool, ShardReader(tiny_dataset, "train"), [0])
    (pid,) = own_pool.processes
    own_pool.close()
    assert ends(pid) and not own_pool.processes


PROGRAM = """
import sys, time
from pathlib import Path
from avsa.data.decoder_pool import DECODERS
from avsa.data.loader import DataConfig, Loader
from avsa.data.order import SequentialOrder
from yt360.errors import UserError
from yt360.shards.format.reader import ShardReader
dataset, way = sys.argv[1:]
clips = ShardReader(Path(dataset), "train")
Loader(clips, SequentialOrder(len(clips), 1), DataConfig(num_workers=1), 0).load(0)
print(*DECODERS.processes, flush=True)
time.sleep(0 if way == "ends" else 60)
"""


@pytest.mark.parametrize("way", ["ends", "is interrupted", "is killed"])
def test_no_process_outlives_the_program(tiny_dataset, way):
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, tiny_dataset, way],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    (pid,) = map(int, program.stdout.readline().split())
    if way == "is interrupted":
        os.killpg(program.pid, signal.SIGINT)
    if way == "is killed":
        program.kill()
    errors = program.communicate(timeout=60)[1]
    assert ends(pid)
    assert errors.count("Traceback") == (way == "is interrupted")  # the program's own


@pytest.fixture
def former_limits():
    """Give this process back the limits of memory and files that a test changes."""
    kinds = resource.RLIMIT_DATA, resource.RLIMIT_NOFILE
    before = [resource.getrlimit(kind) for kind in kinds]
    yield
    for kind, limits in zip(kinds, before, strict=True):
        resource.setrlimit(kind, limits)


def test_a_decoder_ends_in_silence_when_the_process_that_made_it_has_gone(former_limits):
    ours, theirs = Pipe()
    ours.close()
    serve(os.dup(theirs.fileno()), "builtins:dict", 1.0)
