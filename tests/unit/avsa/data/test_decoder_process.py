from __future__ import annotations

import logging
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from dataclasses import replace
from itertools import islice
from multiprocessing import Pipe
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import fatal_decoder as fatal
from helpers.errors import bad_item

from avsa.data.decoder_process import DecoderPool, _serve
from avsa.data.loader import DataConfig, Loader
from avsa.data.order import SequentialOrder, TrainingOrder
from yt360.clip_codec.decoder import ClipDecoder, locate_audio, locate_frames
from yt360.shards.format.reader import ShardReader

CONFIG = DataConfig(num_threads=2)


def make_pool():
    """A pool of decoders that marks in the audio kill, hang or confuse."""
    return closing(DecoderPool(f"{fatal.__name__}:FatalDecoder", limit_s=0.3))


@pytest.fixture(scope="module")
def pool():
    with make_pool() as made:
        yield made


@pytest.fixture
def own_pool():
    with make_pool() as made:
        yield made


class Marked(ShardReader):
    """A split in which the audio of one clip is a mark."""

    def mark(self, clip, change):
        self.clip, self.change = clip, change
        return self

    def read(self, clip, member):
        content = super().read(clip, member)
        return self.change(content) if (clip, member) == (self.clip, "flac") else content


def decode_sound(pool, flac, count=24000):
    samples = np.zeros((4, count), np.int16)
    pool.decode_audio(flac, 0, samples)
    return samples


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
    clips = ShardReader(tiny_dataset, "train")
    for clip, count in ((0, 8), (5, 20), (0, 1)):
        mp4, flac = clips.read(clip, "mp4"), clips.read(clip, "flac")
        decoded = []
        for decode_frames, decode_sound in (
            (pool.decode_frames, pool.decode_audio),
            (
                lambda mp4, first, *planes: ClipDecoder().decode_frames(
                    *locate_frames(mp4, first, *planes[0].shape), *planes
                ),
                lambda flac, first, samples: ClipDecoder().decode_audio(
                    *locate_audio(flac, first, samples.shape[1], 4), samples
                ),
            ),
        ):
            luma = np.zeros((count, 64, 128), np.uint8)
            chroma = np.zeros((2, count, 32, 64), np.uint8)
            samples = np.zeros((4, 3000 * count), np.int16)
            decode_frames(mp4, 9, luma, chroma)
            decode_sound(flac, 777, samples)
            decoded.append((luma, chroma, samples))
        for ours, theirs in zip(*decoded, strict=True):
            assert ours.any() and np.array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("mark", "reason"),
    [
        ("CRASH", "crash: the decoder died of it (exit code -11, SIGSEGV)"),
        ("HANG", "endless"),
        ("EAT", "memory: decoding takes more memory than a process may use"),
    ],
)
def test_a_clip_that_breaks_its_decoder_is_replaced_counted_and_logged(
    tiny_dataset, pool, mark, reason, caplog
):
    whole = ShardReader(tiny_dataset, "train")
    order = TrainingOrder(whole.video_ids, 4, seed=0)
    bad = order.batch(1)[2].clip
    clips = Marked(tiny_dataset, "train").mark(
        bad, lambda flac: fatal.marked(flac, getattr(fatal, mark))
    )
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


def test_a_sequential_order_leaves_out_what_kills_the_decoder(tiny_dataset, pool):
    clips = Marked(tiny_dataset, "train").mark(2, lambda flac: fatal.marked(flac, fatal.CRASH))
    loader = Loader(clips, SequentialOrder(len(clips), 4), CONFIG, 0, decoders=pool)
    keys = [key for raw in loader.batches() for key in raw.keys]
    assert keys == [key for clip, key in enumerate(clips.keys) if clip != 2]


def test_processes_that_were_killed_meanwhile_cost_no_clip(tiny_dataset, own_pool):
    pool = own_pool
    flac = ShardReader(tiny_dataset, "train").read(0, "flac")
    with pool._borrowed(), pool._borrowed():  # two at a time take two processes
        pass
    before = decode_sound(pool, flac)
    killed = pool.idle_processes
    assert len(killed) == 2
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
        # A zombie with threads left still holds its end of the connection.
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert np.array_equal(decode_sound(pool, flac), before)
    assert set(pool.idle_processes) - set(killed)


def test_a_bug_of_the_decoder_is_raised_and_not_counted_as_a_bad_clip(tiny_dataset, pool):
    flac = ShardReader(tiny_dataset, "train").read(0, "flac")
    with pytest.raises(ArithmeticError, match="a bug"):
        decode_sound(pool, fatal.marked(flac, fatal.BUG))
    assert decode_sound(pool, flac).any()


def test_a_bad_clip_leaves_the_process_for_the_next(tiny_dataset, pool):
    flac = ShardReader(tiny_dataset, "train").read(0, "flac")
    decode_sound(pool, flac)
    before = pool.idle_processes
    with bad_item("corrupt-audio"):
        decode_sound(pool, memoryview(bytes(flac[:9000]) + bytes(len(flac) - 9000)), 72000)
    assert decode_sound(pool, flac).any() and pool.idle_processes == before


def test_calls_take_turns_with_the_processes(tiny_dataset, own_pool):
    pool = own_pool
    clips = ShardReader(tiny_dataset, "train")
    for _ in range(2):
        take(Loader(clips, TrainingOrder(clips.video_ids, 4, seed=0), CONFIG, 0, decoders=pool), 2)
    assert 1 <= len(pool.idle_processes) <= 2


def test_closing_ends_all_processes(tiny_dataset, own_pool):
    pool = own_pool
    decode_sound(pool, ShardReader(tiny_dataset, "train").read(0, "flac"))
    (pid,) = pool.idle_processes
    pool.close()
    assert ends(pid) and not pool.idle_processes


PROGRAM = """
import sys, time
from pathlib import Path
import numpy as np
from avsa.data.decoder_process import DECODERS
flac, way = sys.argv[1:]
DECODERS.decode_audio(memoryview(Path(flac).read_bytes()), 0, np.empty((4, 100), np.int16))
print(*DECODERS.idle_processes, flush=True)
time.sleep(0 if way == "ends" else 60)
"""


@pytest.mark.parametrize("way", ["ends", "is interrupted", "is killed"])
def test_no_process_outlives_the_program(tiny_dataset, tmp_path, way):
    flac = tmp_path / "audio.flac"
    flac.write_bytes(ShardReader(tiny_dataset, "train").read(0, "flac"))
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, flac, way],
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


def test_decoder_processes_do_not_import_torch():
    imports = "yt360.clip_codec.decoder, avsa.data.decoder_process"
    program = f"import sys, {imports}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.fixture
def former_limits():
    """Give this process back the memory that a test takes from it."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    yield
    resource.setrlimit(resource.RLIMIT_DATA, before)


def test_a_decoder_ends_in_silence_when_the_process_that_made_it_has_gone(former_limits):
    ours, theirs = Pipe()
    ours.close()
    _serve(os.dup(theirs.fileno()), os.memfd_create("test"), "builtins:dict", 1.0)
