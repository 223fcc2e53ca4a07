"""Labels of a dataset in a bucket have the bytes of labels in a folder."""

from dataclasses import replace
from functools import partial

import pytest
from helpers.errors import user_error
from helpers.in_process import InlinePool, in_process
from helpers.memory_buckets import Died, Dying, Memory, contents, memory_bucket
from helpers.segmenters import PaintConfig, PaintSegmenter

from yt360.buckets.cache import folder_name
from yt360.buckets.lease import WriterLease
from yt360.execution.local import Crashed
from yt360.labels.bucket_labels import pseudolabel_in_bucket
from yt360.labels.pseudolabel import LabelOptions, pseudolabel

URL = "memory://bucket/data"
OPTIONS = LabelOptions(views="cube-100", view_size=32, height=32, batch=12, device="cpu")
local = partial(pseudolabel, isolate=in_process)


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def store(dataset):
    """A bucket with the dataset."""
    store = Memory()
    for name, content in tree(dataset).items():
        store.pipe_file(f"/bucket/data/{name}", content)
    return store


def label(store, cache, options=OPTIONS, workers=1, make_pool=InlinePool):
    return pseudolabel_in_bucket(
        URL,
        PaintConfig(),
        options,
        workers,
        make_pool,
        cache=cache,
        bucket=memory_bucket(URL, store),
    )


@pytest.mark.parametrize("workers", [1, 2])  # two or three shards at a time, the last one first
def test_the_bytes_are_those_of_labels_in_a_folder(dataset, store, tmp_path, workers):
    report = label(store, tmp_path / "cache", workers=workers)
    assert (report.clips, report.panoramas) == (6, 24)
    local(dataset, PaintSegmenter(), OPTIONS)
    assert contents(store, URL) == tree(dataset)
    assert label(store, tmp_path / "other").clips == 0
    assert contents(store, URL) == tree(dataset)


def test_few_shards_are_here_at_a_time_and_none_stays(dataset, store, tmp_path):
    shards = {name: each for name, each in tree(dataset).items() if name.endswith(".tar")}
    workspace = tmp_path / "cache" / folder_name(URL) / "dataset"
    whole = []

    def num_whole():
        return sum(tree(workspace).get(name) == content for name, content in shards.items())

    class Watching(InlinePool):
        def run(self, function, tasks):
            for done in super().run(function, tasks):
                whole.append(num_whole())
                yield done

    assert label(store, tmp_path / "cache", make_pool=Watching).clips == 6
    assert whole == [2, 2, 1] and num_whole() == 0
    assert not list(workspace.glob("*/panoptic-*"))


def test_a_run_that_is_killed_continues(dataset, store, tmp_path):
    for writes in (1, 2, 2):  # while the description of the set and the shards are uploaded
        with pytest.raises(Died):
            label(Dying(store, writes, after=bool(writes % 2)), tmp_path / "cache")
    label(store, tmp_path / "cache")
    local(dataset, PaintSegmenter(), OPTIONS)
    assert contents(store, URL) == tree(dataset)


def test_a_run_whose_worker_died_continues(dataset, store, tmp_path):
    class Dying(InlinePool):
        def run(self, function, tasks):
            yield next(super().run(function, tasks))
            yield tasks.pop(), Crashed(9)

    with user_error("system"):
        label(store, tmp_path / "cache", make_pool=Dying)
    assert label(store, tmp_path / "cache").clips == 4
    local(dataset, PaintSegmenter(), OPTIONS)
    assert contents(store, URL) == tree(dataset)


def test_a_second_writer_and_other_options_are_refused(store, tmp_path):
    with (
        WriterLease(memory_bucket(URL, store), "elsewhere"),
        user_error("in-use", URL),
    ):
        label(store, tmp_path / "cache")
    label(store, tmp_path / "cache", replace(OPTIONS, splits=("test",)))
    before = contents(store, URL)
    with user_error("conflict", "--name"):
        label(store, tmp_path / "cache", replace(OPTIONS, fps=2.0))
    assert contents(store, URL) == before


def test_an_empty_prefix_is_no_dataset(tmp_path):
    with user_error("missing", URL):
        label(Memory(), tmp_path / "cache")
