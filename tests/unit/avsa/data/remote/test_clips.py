from __future__ import annotations

import shutil
import threading
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch
from click.testing import CliRunner
from helpers.errors import bad_item, user_error

from avsa.commands.train import command as train_command
from avsa.data.clips import open_clips
from avsa.data.loader import DataConfig, Loader
from avsa.data.remote import clips as remote
from avsa.data.remote.clips import RemoteClips, local_name
from avsa.data.remote.mirror import mirror, read_remote
from avsa.data.training_order import SamplingConfig, TrainingOrder
from avsa.evals.features import EmbedConfig, embed_dataset
from avsa.preview.sheet import save_preview
from avsa.views.audio_statistics import (
    ensure_statistics,
    load_statistics,
    measure_statistics,
)
from avsa.views.sampling import ViewConfig
from avsa.views.spectrogram import AudioConfig
from yt360.errors import UserError
from yt360.shards.format.reader import ShardReader
from yt360.shards.format.schema import shard_name

SHARDS, PER_SHARD = 6, 4
BANDS = AudioConfig(n_mels=16)


@pytest.fixture
def open_mirror(server, tmp_path):
    """Return a function that mirrors the served dataset with room for some shards."""
    opened = []

    def open_one(room=3):
        size = max(path.stat().st_size for path in (server.folder / "train").glob("*.tar"))
        clips = open_clips(mirror(server.url, tmp_path / "cache", room * size), "train")
        opened.append(clips)
        return clips

    yield open_one
    for clips in opened:
        clips.close()


def order_for(clips, batch_size=4, window=1):
    config = SamplingConfig(window_shards=window)
    return TrainingOrder(
        clips.video_ids, batch_size, 0, config, shards=clips.shard_numbers.tolist()
    )


def cached_bytes(folder):
    """Return the bytes of all shards in a mirror; they may go at any moment."""
    total = 0
    for path in folder.glob("*/*.tar"):
        with suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def cached_path(clips, number):
    """Return where a mirror keeps a shard of its training split."""
    shards = {shard.name: shard for shard in clips.info.splits["train"].shards}
    return clips.dataset / "train" / local_name(shards[shard_name(number)])


def wait_until(condition, seconds=10):
    for _ in range(int(seconds / 0.02)):
        if condition():
            return True
        threading.Event().wait(0.02)
    return False


def test_a_remote_dataset_gives_the_batches_of_a_local_one(origin, open_mirror):
    clips, local = open_mirror(), ShardReader(origin, "train")
    assert isinstance(clips, RemoteClips) and clips.keys == local.keys
    order = order_for(local)
    there = Loader(clips, order, DataConfig(num_workers=2), 0).batches()
    here = Loader(local, order, DataConfig(num_workers=2), 0).batches()
    for _ in range(2 * order.steps_per_epoch):
        far, near = next(there), next(here)
        assert far.keys == near.keys and torch.equal(far.luma, near.luma)
        assert torch.equal(far.audio, near.audio)


def test_the_cache_keeps_its_limit_and_fetches_each_shard_once_an_epoch(server, open_mirror):
    clips = open_mirror(room=3)
    order = order_for(clips)
    loader = Loader(clips, order, DataConfig(num_workers=1, prefetch_batches=1), 0)
    for _ in islice(loader.batches(), order.steps_per_epoch):
        assert cached_bytes(clips.dataset) <= clips._cache.limit_bytes
    fetched = {shard_name(n): server.requests[shard_name(n)] for n in range(SHARDS)}
    # The next epoch may have begun to be fetched, and finds what is still there.
    assert min(fetched.values()) >= 1 and sum(fetched.values()) <= SHARDS + 3


def test_shards_are_fetched_before_they_are_read(server, open_mirror):
    clips = open_mirror(room=4)
    order = order_for(clips)
    soon = [draw.clip // PER_SHARD for step in range(3) for draw in order.batch(step)]
    wanted = list(dict.fromkeys(soon))[:3]
    clips.read_in_order(lambda step: [draw.clip for draw in order.batch(step)], 0)
    assert wait_until(lambda: all(cached_path(clips, number).exists() for number in wanted))
    assert all(server.requests[shard_name(number)] == 1 for number in wanted)


def test_shards_stay_for_the_next_run(server, open_mirror):
    for _ in range(2):
        clips = open_mirror(room=SHARDS)
        for clip in range(len(clips)):
            clips.read(clip, "flac")
        clips.close()
    assert all(server.requests[shard_name(n)] == 1 for n in range(SHARDS))


def test_remains_of_a_killed_run_are_removed(open_mirror):
    clips = open_mirror()
    path = cached_path(clips, 0)
    remains = [path.with_name(f".{path.name}.{end}.tmp") for end in ("0", "12345")]
    for each in remains:
        each.write_bytes(b"")
    clips.read(0, "json")
    assert wait_until(lambda: not any(each.exists() for each in remains))


def test_reading_in_another_order_works(origin, open_mirror):
    clips, local = open_mirror(room=2), ShardReader(origin, "train")
    views = {}
    for clip in (23, 0, 12, 5, 20, 9, 23):
        views[clip] = clips.read(clip, "json")
        assert bytes(views[clip]) == bytes(local.read(clip, "json"))
        assert cached_bytes(clips.dataset) <= clips._cache.limit_bytes
    # What was handed out stays valid when its shard has made room for others.
    assert all(bytes(view) == bytes(local.read(clip, "json")) for clip, view in views.items())


def test_a_shard_is_not_open_after_a_read(open_mirror):
    clips = open_mirror()
    clips.read(0, "json")
    path = cached_path(clips, 0).resolve()
    assert path.exists()
    assert path not in [each.resolve() for each in Path("/proc/self/fd").iterdir()]


def test_members_of_all_clips_are_fetched_too(origin, open_mirror):
    clips, local = open_mirror(room=2), ShardReader(origin, "train")
    assert [*clips.blocks("json")] == [*local.blocks("json")]


def test_failed_requests_are_retried(server, open_mirror):
    server.failures[shard_name(2)] = 2
    clips = open_mirror()
    assert len(clips.read(2 * PER_SHARD, "mp4")) > 0
    assert server.requests[shard_name(2)] == 3


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_a_lost_shard_is_a_bad_item_that_training_replaces(server, open_mirror, damage):
    path = server.folder / "train" / shard_name(1)
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1024] + bytes(1024)[:-1] + b"x")
    clips = open_mirror()
    with bad_item("shard-unreadable"):
        clips.read(PER_SHARD, "mp4")
    assert not cached_path(clips, 1).exists()
    loader = Loader(clips, order_for(clips), DataConfig(num_workers=1), 0)
    lost = set(clips.keys[PER_SHARD : 2 * PER_SHARD])
    for raw in islice(loader.batches(), 6):
        assert len(set(raw.keys)) == 4 and not lost & set(raw.keys)
    assert set(loader.unreadable) == lost


def test_an_order_that_needs_too_many_shards_at_once_is_refused(open_mirror):
    clips = open_mirror(room=2)
    order = TrainingOrder(clips.video_ids, 16, 0)
    with user_error("out-of-range", "sampling.window_shards"):
        next(Loader(clips, order, DataConfig(num_workers=1), 0).batches())


def test_a_cache_without_room_for_two_shards_is_refused(server, tmp_path):
    folder = mirror(server.url, tmp_path / "cache", 1000)
    with user_error("out-of-range", "--cache-gb"):
        open_clips(folder, "train")


def test_statistics_are_mirrored(server, open_mirror):
    clips = open_mirror()
    assert load_statistics(clips.dataset, BANDS) is not None


def test_missing_statistics_of_a_remote_dataset_are_measured_as_those_of_a_folder(
    server, open_mirror, monkeypatch
):
    audio, fetched, fetch = AudioConfig(n_mels=17), [], remote.fetch

    def counting(shard, *rest):
        fetched.append(shard.url)
        fetch(shard, *rest)

    monkeypatch.setattr(remote, "fetch", counting)
    clips = open_mirror(room=2)
    measured = ensure_statistics(clips.dataset, audio, samples=40)
    there = measure_statistics(server.folder, audio, samples=40)
    torch.testing.assert_close(measured.mean_db, there.mean_db, rtol=0, atol=6e-5)
    torch.testing.assert_close(measured.std_db, there.std_db, rtol=0, atol=6e-5)
    assert len(fetched) == len(set(fetched)) == SHARDS
    assert cached_bytes(clips.dataset) <= read_remote(clips.dataset).cache_bytes


def test_a_server_that_sends_nonsense_for_a_shard_is_a_bad_item(server, open_mirror):
    server.nonsense.add(shard_name(1))
    clips = open_mirror()
    with bad_item("shard-unreadable"):
        clips.read(PER_SHARD, "mp4")
    loader = Loader(clips, order_for(clips), DataConfig(num_workers=1), 0)
    assert sum(len(raw.keys) for raw in islice(loader.batches(), 6)) == 24


@pytest.mark.parametrize("way", ["batches", "clips"])
def test_a_loader_ends_at_once_though_a_shard_never_comes(server, open_mirror, way):
    gate = threading.Event()
    server.gates |= {shard_name(number): gate for number in range(SHARDS)}
    clips = open_mirror()
    loader = Loader(clips, order_for(clips), DataConfig(num_workers=3), 0)
    batches, failures = loader.batches(), []

    def load():
        try:
            next(batches)
        except UserError as error:
            failures.append(error)

    reading = threading.Thread(target=load, daemon=True)
    reading.start()
    assert wait_until(lambda: sum(server.requests[name] for name in server.gates))
    # Another thread than the generator's can only close its schedule, or the clips.
    if way == "batches":
        clips._cache.remove_schedule(clips._cache._schedules[0])
    else:
        clips.close()
    reading.join(5)
    assert not reading.is_alive() and not loader.unreadable
    assert failures[0].code == "in-use"
    names = {thread.name.partition("_")[0] for thread in threading.enumerate()}
    assert "loader" not in names


def test_splits_share_the_limit_during_validation(server, tiny_dataset, tmp_path):
    shutil.rmtree(server.folder)
    shutil.copytree(tiny_dataset, server.folder)
    size = max(path.stat().st_size for path in server.folder.glob("*/*.tar"))
    folder = mirror(server.url, tmp_path / "cache", 2 * size)
    with closing(open_clips(folder, "train")) as train, closing(open_clips(folder, "test")) as test:
        batches = Loader(train, order_for(train), DataConfig(num_workers=2), 0).batches()
        for _ in range(3):
            next(batches)
            validation = Loader(test, order_for(test, 2), DataConfig(num_workers=2), 0).batches()
            for _ in islice(validation, 2):
                assert cached_bytes(folder) <= 2 * size
        batches.close()


def test_the_batch_of_all_ranks_must_fit(open_mirror):
    clips = open_mirror(room=2)
    order = TrainingOrder(clips.video_ids, 16, 0)  # a rank's part of eight clips may fit by luck
    with user_error("out-of-range", "sampling.window_shards"):
        next(Loader(clips, order, DataConfig(num_workers=1), 0, rank=1, world=16).batches())


def test_closed_clips_leave_no_thread_behind(open_mirror):
    clips = open_mirror()
    clips.read(0, "json")
    thread = clips._cache._thread
    clips.close()
    assert not thread.is_alive() and not remote._caches
    clips.close()  # twice is fine


def test_drawing_and_embedding_close_what_they_opened(open_mirror, tmp_path):
    folder = open_mirror(room=SHARDS).dataset
    users = set(remote._caches[folder.resolve()]._users)
    audio = AudioConfig(n_mels=16)
    save_preview(folder, tmp_path / "x.png", DataConfig(), ViewConfig(), audio, samples=1)
    without_statistics = Mock(side_effect=UserError("no audio statistics"))
    model = SimpleNamespace(feature_dim=2, require_audio_statistics=without_statistics)
    with pytest.raises(UserError):
        embed_dataset(model, folder, tmp_path / "x.parquet", EmbedConfig(split="train"))
    assert remote._caches[folder.resolve()]._users == users


def test_training_from_a_url_resumes_without_its_mirror(server, tmp_path, monkeypatch):
    monkeypatch.setenv("AVSA_CACHE", str(tmp_path / "cache"))
    recipe, run = tmp_path / "tiny.yaml", tmp_path / "run"
    recipe.write_text(
        "views: {num_views: 1, height: 24, width: 24}\naudio: {n_mels: 16}\n"
        "sampling: {unit: clip, window_shards: 2}\n"
        "encoders: {video: {base_channels: 2}, audio: {base_channels: 2}}\n"
        "stages: {avc: {task: {kind: avc}, steps: 2, batch_size: 4}}\n"
    )

    def train(*arguments):
        arguments = [*arguments, "--device", "cpu", "--out", str(run)]
        result = CliRunner().invoke(train_command, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return len(list((run / "checkpoints").iterdir()))

    begun = ["--data", server.url, "--recipe", str(recipe), "--cache-gb", "0.02", "--steps", "1"]
    before = set(threading.enumerate())
    assert train(*begun) == 1
    assert not [t for t in threading.enumerate() if t.name == "shards" and t not in before]
    (folder,) = (tmp_path / "cache").iterdir()
    shutil.rmtree(folder)
    assert train("--resume", "--cache-gb", "0.03") == 2
    assert read_remote(folder).cache_bytes == 30_000_000
