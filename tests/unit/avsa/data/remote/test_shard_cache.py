"""Shards come when they are needed, and go in time; nobody waits for ever."""

import errno
import shutil
import threading
import time
from contextlib import suppress

import pytest
from helpers.errors import bad_item, user_error

from avsa.data.remote.shard_cache import RemoteShard, ShardCache
from avsa.data.remote.shard_folder import ShardFolder
from yt360.errors import BadItem, UserError
from yt360.files import atomic_write

SIZE = 100
NAMES = [f"{split}/clips-{number}.tar" for split in ("train", "test") for number in range(4)]
SHARDS = {name: RemoteShard(name, SIZE, "") for name in NAMES}
SIZES = dict.fromkeys(NAMES, SIZE)


class Source:
    """Makes shards appear, can be told to fail or to wait, and watches how much there is."""

    def __init__(self, folder):
        self.folder = folder
        self.failures = {}
        self.gate = threading.Event()
        self.gate.set()
        self.fetched = []
        self.most_bytes = 0
        self._coming = 0
        self._lock = threading.Lock()

    def __call__(self, shard, path, cancelled):
        url = shard.url
        with self._lock:
            self.fetched.append(url)
            self._coming += 1
            self._measure()
        while not self.gate.wait(0.01):
            if cancelled.is_set():
                raise OSError("no longer wanted")
        with self._lock:
            self._coming -= 1
            if url in self.failures:
                raise self.failures[url]
            with atomic_write(path) as file:
                file.write(bytes(SIZE))
            self._measure()

    def _measure(self):
        there = sum(self.folder.present().values())
        self.most_bytes = max(self.most_bytes, there + self._coming * SIZE)


@pytest.fixture
def folder(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
    return ShardFolder(tmp_path, ("train", "test"))


@pytest.fixture
def source(folder):
    return Source(folder)


@pytest.fixture
def open_cache(folder, source):
    """Return a function that opens a cache with room for some shards, as a process would."""
    opened = []

    def open_one(room=3, on_removal=lambda: None):
        cache = ShardCache(ShardFolder(folder.root, folder.splits), source)
        cache.register(SHARDS, room * SIZE, on_removal)
        opened.append(cache)
        return cache

    yield open_one
    for cache in opened:
        cache.close()


def read(cache, name, schedule=None):
    with cache.reading(name, schedule):
        assert (cache.folder.root / name).stat().st_size == SIZE


def in_thread(work):
    """Start a thread; return it and the list that will hold what it raised."""
    raised = []

    def run():
        try:
            work()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, raised


def wait_until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_readers_get_unexpected_errors_of_a_fetch_and_the_next_fetch_works(open_cache, source):
    cache = open_cache()
    source.failures[NAMES[0]] = RuntimeError("odd")
    with bad_item("shard-unreadable"):
        read(cache, NAMES[0])
    read(cache, NAMES[1])
    source.failures.clear()
    read(cache, NAMES[0])


def test_a_full_disk_is_not_a_damaged_shard(open_cache, source):
    cache = open_cache()
    source.failures[NAMES[0]] = OSError(errno.ENOSPC, "No space left on device", "/cache/a.tar")
    with pytest.raises(OSError) as full:
        read(cache, NAMES[0])
    assert (full.value.errno, full.value.filename) == (errno.ENOSPC, "/cache/a.tar")


def test_a_missing_folder_is_an_error_until_it_is_back(open_cache, folder):
    cache = open_cache()
    shutil.rmtree(folder.root / "train")
    with bad_item("shard-unreadable"):
        read(cache, NAMES[0])
    (folder.root / "train").mkdir()
    read(cache, NAMES[0])


def test_a_failure_reaches_only_readers_that_were_waiting_when_the_fetch_began(
    open_cache, monkeypatch
):
    cache = open_cache()
    whole, began, both_ask = cache.folder.present, threading.Event(), threading.Event()

    def fail_once():
        monkeypatch.setattr(cache.folder, "present", whole)
        began.set()
        both_ask.wait(10)
        raise FileNotFoundError("the folder")

    monkeypatch.setattr(cache.folder, "present", fail_once)
    first, failures = in_thread(lambda: read(cache, NAMES[0]))
    began.wait(10)
    second, none = in_thread(lambda: read(cache, NAMES[1]))
    wait_until(lambda: NAMES[1] in cache._reading)
    both_ask.set()
    first.join(10)
    second.join(10)
    assert isinstance(failures[0], BadItem) and not none


def test_readers_get_errors_of_the_order(open_cache):
    cache = open_cache()
    cache.add_schedule(SIZES, lambda step: {NAMES[0]} if step == 0 else 1 / 0, 0)
    with bad_item("shard-unreadable"):
        read(cache, NAMES[1])


def test_closing_ends_waiting(open_cache, source):
    cache = open_cache()
    source.gate.clear()
    thread, raised = in_thread(lambda: read(cache, NAMES[0]))
    wait_until(lambda: source.fetched)
    cache.close()
    thread.join(5)
    assert isinstance(raised[0], UserError)


def test_the_end_of_a_course_frees_those_who_wait_on_its_behalf_alone(open_cache, source):
    cache = open_cache()
    source.gate.clear()
    schedule = cache.add_schedule(SIZES, lambda step: {NAMES[step]} if step < 2 else set(), 0)
    followed, raised = in_thread(lambda: read(cache, NAMES[0], schedule))
    other, fine = in_thread(lambda: read(cache, NAMES[0]))
    wait_until(lambda: source.fetched)
    cache.remove_schedule(schedule)
    followed.join(5)
    assert isinstance(raised[0], UserError) and other.is_alive()
    source.gate.set()
    other.join(5)
    assert not fine and not other.is_alive()


def test_two_processes_keep_one_limit_and_fetch_nothing_twice_at_a_time(open_cache, source):
    caches = [open_cache(room=3), open_cache(room=3)]

    def visit(cache, names):
        for name in names:
            with suppress(FileNotFoundError):  # the other one made room in this very moment
                read(cache, name)

    threads = [
        in_thread(lambda: visit(caches[0], 3 * NAMES[:6])),
        in_thread(lambda: visit(caches[1], 3 * NAMES[:1:-1])),
    ]
    for thread, raised in threads:
        thread.join(60)
        assert not thread.is_alive() and not raised
    assert 0 < source.most_bytes <= 3 * SIZE


def test_processes_with_the_same_order_share_the_work(open_cache, source):
    for _ in range(2):
        cache = open_cache(room=len(NAMES))
        cache.add_schedule(SIZES, lambda step: {NAMES[step]} if step < len(NAMES) else set(), 0)
    wait_until(lambda: len(cache.folder.present()) == len(NAMES))
    assert sorted(source.fetched) == sorted(NAMES)


def test_the_splits_of_a_mirror_keep_one_limit(open_cache, source):
    cache = open_cache(room=3)
    training = cache.add_schedule(SIZES, lambda step: {NAMES[step % 4]}, 0)
    for step in range(8):
        cache.advance_to(training, step)
        read(cache, NAMES[step % 4], training)
        validating = cache.add_schedule(SIZES, lambda step: {NAMES[4 + step % 4]}, 0)
        read(cache, NAMES[4], validating)
        cache.remove_schedule(validating)
    assert source.most_bytes <= 3 * SIZE


def test_shards_of_an_older_dataset_count_and_are_evicted_first(open_cache, folder):
    strange = folder.root / "train" / "clips-0-of-old.tar"
    strange.write_bytes(bytes(SIZE))
    cache = open_cache(room=3)
    for name in NAMES[:2]:
        read(cache, name)
    assert strange.exists()
    read(cache, NAMES[2])
    assert not strange.exists() and set(folder.present()) == set(NAMES[:3])


def test_shards_that_another_process_removed_are_closed(open_cache, folder):
    told = threading.Event()
    cache = open_cache(on_removal=told.set)
    read(cache, NAMES[0])
    wait_until(lambda: NAMES[0] in cache._present)
    (folder.root / NAMES[0]).unlink()
    assert told.wait(5)


def test_reading_a_present_shard_does_not_scan_the_folder(open_cache, folder, monkeypatch):
    cache = open_cache(room=len(NAMES))
    for name in NAMES:
        read(cache, name)
    cache.add_schedule(SIZES, lambda step: {NAMES[step % len(NAMES)]}, 0)
    looks = []
    present = ShardFolder.present
    monkeypatch.setattr(ShardFolder, "present", lambda self: looks.append(1) or present(self))
    started = time.monotonic()
    for _ in range(500):
        for name in NAMES:
            read(cache, name)
    # The fetching thread looks by itself a few times a second.
    assert len(looks) <= 5 + 6 * (time.monotonic() - started)


def test_a_cache_without_room_for_two_shards_is_refused(open_cache):
    with user_error("out-of-range", "--cache-gb"):
        open_cache(room=1)


def test_unregistering_the_last_reader_stops_the_thread(open_cache):
    cache = open_cache()
    second = threading.Event().set
    cache.register(SHARDS, 3 * SIZE, second)
    read(cache, NAMES[0])
    thread = cache._thread
    assert not cache.unregister(second) and thread.is_alive()
    assert cache.unregister(cache._on_removal[0])
    assert not thread.is_alive()
