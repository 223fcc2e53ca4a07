"""A dataset goes to a hub and comes back; what must not go stays; interruptions go on."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.errors import user_error
from helpers.fake_hub import OWNER, READER_TOKEN, TOKEN, FakeHub, Repo
from helpers.licensed_datasets import EXAMPLE, YOUTUBE_CC, licensed_dataset

import yt360
from yt360.hub.address import parse_address
from yt360.hub.pull_dataset import INCOMING, pull_dataset
from yt360.hub.push_dataset import push_dataset
from yt360.hub.repository import Access
from yt360.shards.check.dataset import check_dataset
from yt360.shards.format.index import rebuild_index

NAME = f"datasets/{OWNER}/street"
ADDRESS = parse_address(f"hf://{NAME}", "dataset")
PNG = b"\x89PNG of the card"


def access(hub: FakeHub, token: str | bool = TOKEN) -> Access:
    return Access(endpoint=hub.url, token=token)


def push(hub: FakeHub, dataset: Path, address=ADDRESS, token: str | bool = TOKEN, **options):
    drawn = options.pop("draw", lambda *_: PNG)
    return push_dataset(dataset, address, access(hub, token), draw=drawn, **options)


def pull(hub: FakeHub, out: Path, address=ADDRESS, token: str | bool = TOKEN):
    return pull_dataset(address, out, access(hub, token))


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="session")
def free_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example dataset under CC BY; read only."""
    return licensed_dataset(tmp_path_factory.mktemp("free") / "dataset", lambda _: YOUTUBE_CC)


def test_a_dataset_comes_back_as_it_was_with_four_channels(fake_hub, free_dataset, tmp_path):
    push(fake_hub, free_dataset)
    done = pull(fake_hub, tmp_path / "back")
    ours, back = contents(free_dataset), contents(tmp_path / "back")
    assert ours.items() <= back.items()
    assert back.keys() - ours.keys() == {"README.md", "croissant.json", "clips.csv", "picture.png"}
    assert (done.missing_shards, done.ignored) == (0, ())
    assert list(check_dataset(tmp_path / "back", quick=True, workers=1)) == []
    for split in ("train", "test"):
        before, after = (yt360.open_dataset(d, split) for d in (free_dataset, tmp_path / "back"))
        sound = yt360.read_clip(after, after.keys[0]).ambix
        assert sound.shape[0] == 4
        np.testing.assert_array_equal(sound, yt360.read_clip(before, before.keys[0]).ambix)


def test_clips_stay_if_the_licence_of_one_video_does_not_allow_it(fake_hub, tmp_path):
    first = yt360.open_dataset(EXAMPLE, "train").rows[0].video_id
    mixed = licensed_dataset(tmp_path / "mixed", lambda v: None if v == first else YOUTUBE_CC)
    drawn = []
    done = push(fake_hub, mixed, draw=lambda *given: drawn.append(given[2]) or PNG)
    files = fake_hub.repos[NAME].files
    assert not [path for path in files if "clips-" in path]
    assert {"train/index.parquet", "train/panoptic-000000.tar", "clips.csv", "dataset.json"} <= set(
        files
    )
    media = [(mixed / file.path).read_bytes() for file in done.withheld]
    assert len(media) == 4
    assert not set(media) & set(fake_hub.large.values())
    assert (done.closed, drawn) == ({"unknown": 1}, [False])


def test_whoever_has_the_rights_pushes_clips_of_any_licence(fake_hub):
    done = push(fake_hub, EXAMPLE, has_rights=True)
    assert done.withheld == ()
    shard = "train/clips-000001.tar"
    assert fake_hub.repos[NAME].files[shard] == (EXAMPLE / shard).read_bytes()


def test_the_list_of_clips_names_each_with_its_times_and_split(fake_hub):
    push(fake_hub, EXAMPLE)
    rows = [*csv.DictReader(io.StringIO(fake_hub.repos[NAME].files["clips.csv"].decode()))]
    expected = [
        (row.video_id, row.start_s, row.start_s + row.duration_s, split)
        for split in ("train", "test")
        for row in yt360.open_dataset(EXAMPLE, split).rows
    ]
    found = [
        (row["video_id"], int(row["start_s"]), float(row["end_s"]), row["split"]) for row in rows
    ]
    assert found == expected


def test_a_second_push_of_the_same_dataset_sends_nothing(fake_hub, free_dataset):
    first = push(fake_hub, free_dataset)
    commits, puts = len(fake_hub.repos[NAME].commits), fake_hub.count("PUT", "/lfs/")
    again = push(fake_hub, free_dataset)
    assert (again.pushed.sent, again.pushed.kept) == (0, first.pushed.sent)
    assert len(fake_hub.repos[NAME].commits) == commits
    assert fake_hub.count("PUT", "/lfs/") == puts


def test_an_interrupted_push_goes_on_and_lists_nothing_before_it_is_there(fake_hub, free_dataset):
    def fail_after_three(method, path):
        return 400 if method == "PUT" and fake_hub.count("PUT", "/lfs/") > 3 else None

    fake_hub.fault = fail_after_three
    with user_error("invalid"):
        push(fake_hub, free_dataset)
    assert "dataset.json" not in fake_hub.repos[NAME].files
    there = set(fake_hub.large)
    assert there
    fake_hub.fault, fake_hub.requests = lambda *_: None, []
    push(fake_hub, free_dataset)
    sent = {path.removeprefix("/lfs/") for method, path in fake_hub.requests if method == "PUT"}
    assert not sent & there
    assert contents(free_dataset).items() <= fake_hub.repos[NAME].files.items()


def test_a_lost_answer_to_a_commit_is_no_harm(fake_hub, free_dataset):
    push(fake_hub, free_dataset)
    fake_hub.repos[NAME].files.pop("dataset.json")
    fake_hub.repos[NAME].commits.append(dict(fake_hub.repos[NAME].files))
    done = push(fake_hub, free_dataset)
    assert (done.pushed.sent, "dataset.json" in fake_hub.repos[NAME].files) == (1, True)


def test_a_dataset_that_grew_is_pushed_and_pulled_on_top(fake_hub, free_dataset, tmp_path):
    small = shutil.copytree(free_dataset, tmp_path / "small")
    info = json.loads((small / "dataset.json").read_text())
    info["splits"]["train"]["shards"].pop()
    (small / "train" / "clips-000002.tar").unlink()
    (small / "train" / "panoptic-000002.tar").unlink()
    info["splits"]["train"] |= {"clips": 11, "videos": 11}
    (small / "dataset.json").write_text(json.dumps(info))
    rebuild_index(small)
    push(fake_hub, small)
    pull(fake_hub, tmp_path / "out")
    push(fake_hub, free_dataset)
    done = pull(fake_hub, tmp_path / "out")
    assert contents(free_dataset).items() <= contents(tmp_path / "out").items()
    assert done.kept > 4


def test_a_name_that_holds_something_else_is_refused_until_it_is_replaced(
    fake_hub, free_dataset, tmp_path
):
    push(fake_hub, free_dataset)
    other = licensed_dataset(tmp_path / "other", lambda _: "CC0")
    before = dict(fake_hub.repos[NAME].files)
    with user_error("exists"):
        push(fake_hub, other)
    fake_hub.repos[NAME].files["notes.txt"] = b"mine"
    fake_hub.repos[NAME].commits.append(dict(fake_hub.repos[NAME].files))
    with user_error("exists"):
        push(fake_hub, free_dataset)
    assert fake_hub.repos[NAME].files == {**before, "notes.txt": b"mine"}
    done = push(fake_hub, other, replace=True)
    assert done.pushed.removed == 1
    assert contents(other).items() <= fake_hub.repos[NAME].files.items()


def test_clips_of_an_earlier_push_do_not_stay_unseen(fake_hub):
    push(fake_hub, EXAMPLE, has_rights=True)
    with user_error("conflict"):
        push(fake_hub, EXAMPLE)
    push(fake_hub, EXAMPLE, replace=True)
    assert not [path for path in fake_hub.repos[NAME].files if "clips-" in path]


def test_a_shard_without_its_checksum_is_not_pushed(fake_hub, free_dataset, tmp_path):
    dataset = shutil.copytree(free_dataset, tmp_path / "damaged")
    path = dataset / "train" / "clips-000001.tar"
    path.write_bytes(b"x" + path.read_bytes()[1:])
    with user_error("conflict", key=path):
        push(fake_hub, dataset)
    assert "dataset.json" not in fake_hub.repos[NAME].files


def test_features_go_along_under_their_names(fake_hub, tmp_path):
    (tmp_path / "small.parquet").write_bytes(b"PAR1")
    push(fake_hub, EXAMPLE, features=[tmp_path / "small.parquet"])
    assert fake_hub.repos[NAME].files["features/small.parquet"] == b"PAR1"
    pull(fake_hub, tmp_path / "out")
    assert (tmp_path / "out" / "features" / "small.parquet").read_bytes() == b"PAR1"
    with user_error("missing"):
        push(fake_hub, EXAMPLE, features=[tmp_path / "none.parquet"])
    (tmp_path / "small.txt").write_bytes(b"")
    with user_error("invalid", key="--features"):
        push(fake_hub, EXAMPLE, features=[tmp_path / "small.txt"])


@pytest.mark.parametrize(
    ("token", "name", "code"),
    [
        (False, "me/street", "missing"),
        ("hf_wrong", "me/street", "invalid"),
        (READER_TOKEN, "me/street", "forbidden"),
        (TOKEN, "you/street", "forbidden"),
    ],
)
def test_without_a_token_or_rights_nothing_is_sent(fake_hub, token, name, code):
    address = parse_address(f"hf://datasets/{name}", "dataset")
    with user_error(code, key="HF_TOKEN"):
        push(fake_hub, EXAMPLE, address, token)
    assert (fake_hub.repos, fake_hub.large) == ({}, {})


def test_a_name_without_an_owner_is_the_users_own_and_private(fake_hub):
    done = push(fake_hub, EXAMPLE, parse_address("hf://datasets/street", "dataset"))
    assert done.pushed.address == "hf://datasets/me/street"
    assert fake_hub.repos[NAME].private
    push(fake_hub, EXAMPLE, parse_address("hf://datasets/open", "dataset"), private=False)
    assert not fake_hub.repos["datasets/me/open"].private


def test_a_commit_of_someone_else_meanwhile_is_not_overwritten(fake_hub, free_dataset):
    push(fake_hub, EXAMPLE, parse_address("hf://datasets/me/first", "dataset"))

    def someone_commits(method, path):
        if path.endswith("/preupload/main") and len(fake_hub.repos[NAME].commits) == 1:
            fake_hub.repos[NAME].commits.append(dict(fake_hub.repos[NAME].files))

    fake_hub.fault = someone_commits
    with user_error("in-use"):
        push(fake_hub, free_dataset)
    push(fake_hub, free_dataset)


def test_an_unfinished_build_is_not_pushed(fake_hub, tmp_path):
    dataset = shutil.copytree(EXAMPLE, tmp_path / "building")
    info = json.loads((dataset / "dataset.json").read_text()) | {"complete": False}
    (dataset / "dataset.json").write_text(json.dumps(info))
    with user_error("in-use"):
        push(fake_hub, dataset)
    assert fake_hub.requests == []


def test_an_interrupted_pull_goes_on_and_is_no_dataset_before_its_end(
    fake_hub, free_dataset, tmp_path
):
    push(fake_hub, free_dataset)
    broken = "train/clips-000001.tar"
    fake_hub.fault = lambda _, path: 404 if path.endswith(broken) else None
    with user_error("missing"):
        pull(fake_hub, tmp_path / "out")
    assert not (tmp_path / "out" / "dataset.json").exists()
    fake_hub.fault, fake_hub.requests = lambda *_: None, []
    pull(fake_hub, tmp_path / "out")
    assert fake_hub.count("GET", "/train/clips-000000.tar") == 0
    assert contents(free_dataset).items() <= contents(tmp_path / "out").items()
    assert not (tmp_path / "out" / INCOMING).exists()


def test_a_file_without_the_sum_of_the_hub_never_gets_its_name(fake_hub, free_dataset, tmp_path):
    push(fake_hub, free_dataset)
    path = "test/clips-000000.tar"
    fake_hub.damage = lambda p, content: b"x" + content[1:] if p == path else content
    with user_error("invalid", key=path):
        pull(fake_hub, tmp_path / "out")
    assert not (tmp_path / "out" / path).exists()
    fake_hub.damage = lambda _, content: content
    pull(fake_hub, tmp_path / "out")
    assert (tmp_path / "out" / path).read_bytes() == (free_dataset / path).read_bytes()


def test_a_hub_that_swaps_a_shard_is_noticed(fake_hub, free_dataset, tmp_path):
    push(fake_hub, free_dataset)
    repo = fake_hub.repos[NAME]
    swapped = {"test/clips-000000.tar": repo.files["train/clips-000000.tar"]}
    repo.commits.append(repo.files | swapped)
    with user_error("invalid", key="test/clips-000000.tar"):
        pull(fake_hub, tmp_path / "out")


@pytest.mark.parametrize(
    "path", ["../evil.json", "train/../../x.tar", "/etc/x.tar", "train/CON.tar", "train/.x.tar",
             "evil.py", "train/deep/clips-000000.tar", "features/a b\n.parquet"],
)  # fmt: skip
def test_other_files_of_a_repository_are_left_there(fake_hub, tmp_path, path):
    push(fake_hub, EXAMPLE)
    repo = fake_hub.repos[NAME]
    repo.commits.append({**repo.files, path: b"evil"})
    done = pull(fake_hub, tmp_path / "in" / "out")
    assert done.ignored == (() if path[0] == "." else (path,))
    assert b"evil" not in contents(tmp_path).values()


def test_a_folder_that_holds_something_else_is_not_touched(fake_hub, free_dataset, tmp_path):
    push(fake_hub, free_dataset)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    with user_error("exists", key="--out"):
        pull(fake_hub, tmp_path / "photos")
    other = licensed_dataset(tmp_path / "other", lambda _: "CC0")
    before = contents(other)
    with user_error("exists"):
        pull(fake_hub, other)
    labelled = shutil.copytree(free_dataset, tmp_path / "labelled")
    (labelled / "test" / "panoptic-000000.tar").write_bytes(b"mine")
    with user_error("exists"):
        pull(fake_hub, labelled)
    assert {k: v for k, v in contents(other).items() if INCOMING not in k} == before
    assert (labelled / "test" / "panoptic-000000.tar").read_bytes() == b"mine"


def test_a_tag_and_a_commit_are_pulled_as_they_were(fake_hub, free_dataset, tmp_path):
    push(fake_hub, free_dataset)
    repo = fake_hub.repos[NAME]
    repo.tags["v1"] = repo.head
    push(fake_hub, licensed_dataset(tmp_path / "later", lambda _: "CC BY"), replace=True)
    assert repo.head != repo.tags["v1"]
    for revision in ("v1", repo.tags["v1"]):
        out = tmp_path / revision
        pull(fake_hub, out, parse_address(f"hf://{NAME}@{revision}", "dataset"))
        assert contents(free_dataset).items() <= contents(out).items()


def test_what_is_not_there_is_missing(fake_hub, tmp_path):
    for name in ("me/none", "me/empty"):
        fake_hub.repos.clear()
        if name == "me/empty":
            fake_hub.repos["datasets/me/empty"] = Repo()
        with user_error("missing"):
            pull(fake_hub, tmp_path / "out", parse_address(f"hf://datasets/{name}", "dataset"))
    push(fake_hub, EXAMPLE)
    with user_error("missing"):
        pull(fake_hub, tmp_path / "out", parse_address(f"hf://{NAME}@v9", "dataset"))
    with user_error("missing"):
        pull(fake_hub, tmp_path / "out", token=False)  # it is private


def test_a_hub_that_cannot_be_reached_is_one_error(tmp_path):
    nowhere = Access(endpoint="http://127.0.0.1:9", token=TOKEN)
    with user_error("network"):
        pull_dataset(ADDRESS, tmp_path / "out", nowhere)
    with user_error("network"):
        push_dataset(EXAMPLE, ADDRESS, Access(endpoint="no address", token=TOKEN))


def test_without_huggingface_hub_the_error_names_the_package(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with user_error("dependency", key="huggingface_hub"):
        pull_dataset(ADDRESS, tmp_path / "out")
    assert not (tmp_path / "out").exists()
