"""Shards come when they are needed, and go in time; nobody waits for ever."""

import errno
import shutil
import threading
import time
from contextlib import ExitStack, suppress

import pytest
from helpers.errors import bad_item, user_error

from avsa.data.remote.fetching import RemoteFile
from avsa.data.remote.shard_cache import ShardCache
from avsa.data.remote.shard_order import Schedule
from yt360.buckets.copy_folder import CopyFolder
from yt360.errors import BadItem, UserError

SIZE = 100
NAMES = [f"{split}/clips-{number}.tar" for split in ("train", "test") for number in range(4)]
SHARDS = {name: RemoteFile(name, SIZE, "") for name in NAMES}
SIZES = dict.fromkeys(NAMES, SIZE)


class Source:
    """Writes shards, can be told to fail or to wait, and watches how much is on the disk."""

    def __init__(self, folder):
        self.folder = folder
        self.failures = {}
        self.gate = threading.Event()
        self.gate.set()
        self.fetched = []
        self.most_bytes = 0

    def __call__(self, shard, file, cancelled):
        self.fetched.append(shard.url)
        while not self.gate.wait(0.01):
            if cancelled.is_set():
                raise OSError("no longer wanted")
        if shard.url in self.failures:
            raise self.failures[shard.url]
        file.write(bytes(SIZE))
        file.flush()
        self.most_bytes = max(self.most_bytes, self.bytes_on_disk())

    def bytes_on_disk(self):
        total = 0
        for path in self.folder.glob("t*/*.t*"):
            with suppress(FileNotFoundError):
                total += path.stat().st_size
        return total


@pytest.fixture
def folder(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
    return tmp_path


@pytest.fixture
def source(folder):
    return Source(folder)


@pytest.fixture
def open_cache(folder, source):
    """Return a function that opens a cache with room for some shards, as a process would."""
    opened = []

    def open_one(room=3):
        cache = ShardCache(folder, source)
        cache.register(cache, SHARDS, room * SIZE)
        opened.append(cache)
        return cache

    yield open_one
    for cache in opened:
        cache.close()


def follow(cache, shards_of_step):
    """Add a schedule from step 0 on."""
    schedule = Schedule(SIZES, shards_of_step, 0)
    cache.add_schedule(schedule, [])
    return schedule


def numbers(*steps):
    """Return the order whose steps need one shard each, by its number."""
    return lambda step: {NAMES[steps[step]]} if step < len(steps) else set()


def shards_in(folder):
    return CopyFolder(folder, levels=1, suffix=".tar")


def holds(cache, *shards):
    return shards_in(cache.root).present().keys() == {NAMES[number] for number in shards}


def read(cache, name, schedule=None):
    with cache.reading(name, schedule):
        assert (cache.root / name).stat().st_size == SIZE


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
    shutil.rmtree(folder / "train")
    with bad_item("shard-unreadable"):
        read(cache, NAMES[0])
    (folder / "train").mkdir()
    read(cache, NAMES[0])


def test_a_failure_reaches_only_readers_that_were_waiting_when_the_fetch_began(open_cache, folder):
    cache = open_cache()
    began, both_ask = threading.Event(), threading.Event()

    def fail_once(step):
        if not began.is_set():
            began.set()
            both_ask.wait(10)
            raise FileNotFoundError("the order")
        return set()

    with shards_in(folder).reserved(NAMES[0], SIZE, 9 * SIZE, []):  # another process fetches it
        first, failures = in_thread(lambda: read(cache, NAMES[0]))
        wait_until(lambda: cache._requests)
        follow(cache, fail_once)
        began.wait(10)
        second, none = in_thread(lambda: read(cache, NAMES[1]))
        wait_until(lambda: len(cache._requests) == 2)
        both_ask.set()
        first.join(10)
        second.join(10)
    assert isinstance(failures[0], BadItem) and not none and not second.is_alive()


def test_readers_get_errors_of_the_order(open_cache):
    cache = open_cache()
    follow(cache, lambda step: {NAMES[0]} if step == 0 else 1 / 0)
    with bad_item("shard-unreadable"):
        read(cache, NAMES[1])


def test_a_shard_that_cannot_be_prefetched_does_not_stop_the_others(open_cache, source):
    cache = open_cache()
    source.failures[NAMES[0]] = OSError("gone")
    follow(cache, numbers(0, 1, 2))
    wait_until(lambda: holds(cache, 1, 2))
    assert source.fetched.count(NAMES[0]) == 1
    source.failures.clear()
    read(cache, NAMES[0])


def test_the_shard_that_is_needed_last_is_evicted_first(open_cache, source):
    cache = open_cache(room=3)
    schedule = follow(cache, numbers(0, 1, 2, 3, 0, 1, 2))
    wait_until(lambda: holds(cache, 0, 1, 2))
    cache.advance_to(schedule, 1)  # the next use of 0 is after that of 3
    wait_until(lambda: holds(cache, 1, 2, 3))
    cache.advance_to(schedule, 4)
    wait_until(lambda: holds(cache, 0, 1, 2))
    assert source.fetched == [NAMES[number] for number in (0, 1, 2, 3, 0)]


def test_shards_without_a_known_use_are_evicted_least_recently_read_first(open_cache):
    cache = open_cache(room=3)
    for number in (0, 1, 2, 0, 3):
        read(cache, NAMES[number])
    assert holds(cache, 0, 2, 3)


def test_the_reader_that_went_on_last_comes_first(open_cache):
    cache = open_cache(room=2)
    training = follow(cache, numbers(0, 1, 2, 3))
    wait_until(lambda: holds(cache, 0, 1))
    validating = follow(cache, numbers(4, 5, 6))
    wait_until(lambda: holds(cache, 4, 5))
    cache.remove_schedule(validating)
    wait_until(lambda: holds(cache, 0, 1))
    cache.advance_to(training, 2)
    wait_until(lambda: holds(cache, 2, 3))


def test_a_shard_that_is_read_stays(open_cache):
    cache = open_cache(room=2)
    with cache.reading(NAMES[0]):
        for name in NAMES[1:5]:
            read(cache, name)
            assert (cache.root / NAMES[0]).exists()
    read(cache, NAMES[5])
    assert holds(cache, 0, 5)


def test_a_reader_waits_while_all_shards_are_read(open_cache):
    cache = open_cache(room=2)
    with cache.reading(NAMES[0]), cache.reading(NAMES[1]):
        thread, raised = in_thread(lambda: read(cache, NAMES[2]))
        wait_until(lambda: cache._wants_room)
        assert thread.is_alive() and holds(cache, 0, 1)
    thread.join(10)
    assert not raised and not thread.is_alive()


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
    schedule = follow(cache, numbers(0, 1))
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
        follow(cache, numbers(*range(len(NAMES))))
    wait_until(lambda: len(shards_in(cache.root).present()) == len(NAMES))
    assert sorted(source.fetched) == sorted(NAMES)


def test_the_splits_of_a_mirror_keep_one_limit(open_cache, source):
    cache = open_cache(room=3)
    training = follow(cache, lambda step: {NAMES[step % 4]})
    for step in range(8):
        cache.advance_to(training, step)
        read(cache, NAMES[step % 4], training)
        validating = follow(cache, lambda step: {NAMES[4 + step % 4]})
        read(cache, NAMES[4], validating)
        cache.remove_schedule(validating)
    assert source.most_bytes <= 3 * SIZE


def test_nothing_is_evicted_for_a_shard_that_does_not_fit_beside_those_that_are_read(open_cache):
    cache, large = open_cache(room=4), NAMES[7]
    cache.register(cache, {large: RemoteFile(large, 2 * SIZE, "")}, 4 * SIZE)
    read(cache, NAMES[0])

    def read_large():
        with cache.reading(large):
            pass

    with ExitStack() as reads:
        for name in NAMES[1:4]:
            reads.enter_context(cache.reading(name))
        thread, raised = in_thread(read_large)
        wait_until(lambda: cache._wants_room)
        assert holds(cache, 0, 1, 2, 3)
    thread.join(10)
    assert not raised and not thread.is_alive()


def test_shards_of_an_older_dataset_count_and_are_evicted_first(open_cache, folder):
    strange = folder / "train" / "clips-0-of-old.tar"
    strange.write_bytes(bytes(SIZE))
    cache = open_cache(room=3)
    for name in NAMES[:2]:
        read(cache, name)
    assert strange.exists()
    read(cache, NAMES[2])
    assert not strange.exists() and holds(cache, 0, 1, 2)


def test_a_shard_that_another_process_removed_is_fetched_again(open_cache, folder):
    cache = open_cache()
    read(cache, NAMES[0])
    (folder / NAMES[0]).unlink()
    read(cache, NAMES[0])


def test_reading_a_present_shard_does_not_scan_the_folder(open_cache):
    cache, looks = open_cache(room=len(NAMES)), []
    for name in NAMES:
        read(cache, name)
    follow(cache, lambda _: looks.append(1) or set())  # asked for at every look
    started = time.monotonic()
    for _ in range(500):
        for name in NAMES:
            read(cache, name)
    # The fetching thread looks by itself a few times a second.
    assert 0 < len(looks) <= 5 + 6 * (time.monotonic() - started)


def test_a_cache_without_room_for_two_shards_is_refused(open_cache):
    with user_error("out-of-range", "--cache-gb"):
        open_cache(room=1)


def test_unregistering_the_last_user_stops_the_thread(open_cache):
    cache = open_cache()
    cache.register("second", SHARDS, 3 * SIZE)
    read(cache, NAMES[0])
    thread = cache._thread
    assert not cache.unregister("second") and thread.is_alive()
    assert cache.unregister(cache)
    assert not thread.is_alive()
    with user_error("in-use", cache.root):
        read(cache, NAMES[1])
