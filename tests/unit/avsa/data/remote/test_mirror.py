"""A folder stands for a dataset elsewhere, as that is now."""

import logging
import math
import shutil
import stat
from contextlib import closing
from pathlib import Path

import pytest
import torch
from helpers.errors import user_error

from avsa.data.clips import open_clips
from avsa.data.remote import fetching
from avsa.data.remote.clips import RemoteClips
from avsa.data.remote.mirror import (
    address_of,
    dataset_folder,
    is_mirror,
    mirror,
    read_remote,
)
from avsa.data.remote.publishing import publish
from avsa.views.audio_statistics import ensure_statistics, load_statistics
from avsa.views.spectrogram import AudioConfig
from yt360.errors import BadItem, UserError
from yt360.shards.format.reader import ShardReader
from yt360.shards.format.schema import AUDIO_STATS_FILE, INDEX_FILE


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AVSA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def build_anew(server, dataset):
    """Serve another dataset under the same address."""
    shutil.rmtree(server.folder)
    shutil.copytree(dataset, server.folder)


def read_all(folder):
    with closing(open_clips(folder, "train")) as clips:
        return {key: bytes(clips.read(clip, "flac")) for clip, key in enumerate(clips.keys)}


def test_a_rebuilt_dataset_is_fetched_again(server, tiny_dataset):
    old = read_all(dataset_folder(server.url))
    build_anew(server, tiny_dataset)
    new, there = read_all(dataset_folder(server.url)), ShardReader(tiny_dataset, "train")
    assert list(new) == list(there.keys) != list(old)
    assert all(new[key] == there.read(clip, "flac") for clip, key in enumerate(there.keys))


def test_clips_that_are_open_keep_to_the_dataset_that_they_began_with(server, tiny_dataset):
    folder = dataset_folder(server.url)
    with closing(open_clips(folder, "train")) as clips:
        before = bytes(clips.read(0, "flac"))
        build_anew(server, tiny_dataset)
        read_all(dataset_folder(server.url))
        assert bytes(clips.read(0, "flac")) == before


def test_the_cache_is_its_owners_alone(server, cache):
    dataset_folder(server.url)
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700


def test_statistics_go_with_the_dataset_that_they_are_of(server, tiny_dataset):
    folder = dataset_folder(server.url)
    assert load_statistics(folder, AudioConfig(n_mels=16)) is not None
    build_anew(server, tiny_dataset)
    (server.folder / AUDIO_STATS_FILE).unlink(missing_ok=True)
    assert load_statistics(dataset_folder(server.url), AudioConfig(n_mels=16)) is None


def test_measured_statistics_stay_while_the_dataset_does(server, tiny_dataset):
    audio = AudioConfig(n_mels=16)
    (server.folder / AUDIO_STATS_FILE).unlink()
    measured = ensure_statistics(dataset_folder(server.url), audio, samples=3)
    assert torch.equal(load_statistics(dataset_folder(server.url), audio).mean_db, measured.mean_db)
    build_anew(server, tiny_dataset)
    (server.folder / AUDIO_STATS_FILE).unlink(missing_ok=True)
    assert load_statistics(dataset_folder(server.url), audio) is None


def test_statistics_of_a_web_server_stay_in_the_mirror(server):
    path = dataset_folder(server.url) / AUDIO_STATS_FILE
    assert publish(path) == str(path)


@pytest.mark.parametrize("files", range(1, 4))
def test_a_killed_update_leaves_no_mirror_and_is_repeated(server, tiny_dataset, monkeypatch, files):
    folder = dataset_folder(server.url)
    build_anew(server, tiny_dataset)
    replaced, replace = [], Path.replace

    def killed(path, target):
        if path.parts[-2] == ".incoming" or path.parts[-3] == ".incoming":
            replaced.append(target)
            if len(replaced) == files:
                raise KeyboardInterrupt
        return replace(path, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        # Fetching renames within the incoming folder; only moves out of it count.
        patch.setattr("avsa.data.remote.mirror.atomic_write", lambda path: path.open("wb"))
        patch.setattr(Path, "replace", killed)
        dataset_folder(server.url)
    assert not is_mirror(folder)
    assert list(read_all(dataset_folder(server.url))) == ShardReader(tiny_dataset, "train").keys


def test_a_mirror_serves_while_its_server_is_away(server, caplog):
    known = read_all(dataset_folder(server.url))
    server.failures.update(dict.fromkeys(("dataset.json", INDEX_FILE), 10**6))
    with caplog.at_level(logging.WARNING):
        assert read_all(dataset_folder(server.url)) == known
    assert "as it is" in caplog.text


def test_a_web_page_in_place_of_a_dataset_is_refused_and_the_mirror_kept(server):
    folder = dataset_folder(server.url)
    known = read_all(folder)
    (server.folder / "dataset.json").write_text("<html>Please log in</html>")
    with user_error("invalid", server.url):
        dataset_folder(server.url)
    assert read_all(folder) == known


def test_a_server_that_is_away_has_no_dataset_for_a_new_mirror(server):
    server.failures["dataset.json"] = 10**6
    with user_error("network", server.url):
        dataset_folder(server.url)


def test_the_limit_stays_until_another_one_is_asked_for(server):
    folder = dataset_folder(server.url)
    assert read_remote(folder).cache_bytes == 20 * 10**9
    for asked_gb, holds in ((3.0, 3), (None, 3), (0.5, 0.5), (None, 0.5)):
        assert dataset_folder(server.url, asked_gb) == folder
        assert read_remote(folder).cache_bytes == holds * 10**9
    assert dataset_folder(folder, 2.0) == folder  # a mirror is as good as its address
    assert read_remote(folder).cache_bytes == 2 * 10**9


@pytest.mark.parametrize("gigabytes", [math.nan, math.inf, -math.inf, 0.0, -1.0, 1e300])
def test_a_limit_must_be_positive_and_finite(server, tmp_path, gigabytes):
    for dataset in (server.url, tmp_path):
        with user_error("out-of-range", "--cache-gb"):
            dataset_folder(dataset, gigabytes)


def test_the_address_of_a_mirror_makes_the_mirror_again(server, tmp_path):
    folder = dataset_folder(server.url)
    address = address_of(folder)
    shutil.rmtree(folder)
    assert dataset_folder(address) == folder and is_mirror(folder)
    assert address_of(tmp_path) == str(tmp_path.resolve())


def test_a_foreign_mirror_causes_no_requests(server, tmp_path):
    foreign = shutil.copytree(dataset_folder(server.url), tmp_path / "foreign")
    server.requests.clear()
    with closing(open_clips(foreign, "train")) as clips, pytest.raises((BadItem, UserError)):
        clips.read(0, "flac")
    assert address_of(foreign) == str(foreign) and not server.requests


def test_an_index_of_another_dataset_is_refused(server):
    folder = dataset_folder(server.url)
    dataset = folder / "dataset.json"
    dataset.write_text(dataset.read_text().replace("clips-000001.tar", "clips-000007.tar"))
    with pytest.raises(UserError, match=r"does not list the shard .clips-000001.tar.*try again"):
        open_clips(folder, "train")


def test_an_address_without_a_dataset_is_refused(server, cache):
    with user_error("missing", server.url + "/nothing"):
        mirror(server.url + "/nothing", cache, 10**9)


@pytest.mark.parametrize(
    "url", ["http://localhost:notaport/x", "http://[::1/x", "http://localhost/my data"]
)
def test_invalid_urls_are_refused(url):
    with user_error("invalid", url):
        dataset_folder(url)


@pytest.mark.parametrize("url", ["file:///data/x", "file:/data/x", "file://data/x"])
def test_folders_are_given_by_their_path(url):
    with user_error("unsupported", url):
        dataset_folder(url)


def test_a_folder_is_no_mirror(tmp_path):
    assert dataset_folder(str(tmp_path)) == tmp_path


def test_mirrors_live_in_the_cache_folder(server, cache):
    folder = dataset_folder(server.url)
    assert folder.parent == cache
    with closing(open_clips(folder, "test")) as clips:
        assert isinstance(clips, RemoteClips)


def test_a_mirror_serves_while_its_disk_is_full(server, monkeypatch):
    known = read_all(dataset_folder(server.url))
    monkeypatch.setattr(fetching, "MIN_FREE_BYTES", 10**18)
    assert list(known) == list(ShardReader(dataset_folder(server.url), "train").keys)
