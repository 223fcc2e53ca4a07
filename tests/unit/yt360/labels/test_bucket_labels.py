"""Labels of a dataset in a bucket have the bytes of labels in a folder."""

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
from helpers.errors import user_error
from helpers.in_process import in_process
from helpers.memory_buckets import Died, Dying, Memory, contents, memory_bucket

from yt360.buckets.lease import WriterLease
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


@pytest.fixture
def segmenter(paint):
    return SimpleNamespace(build=lambda _: paint.Segmenter())


def label(store, segmenter, cache, options=OPTIONS):
    bucket = memory_bucket(URL, store)
    return pseudolabel_in_bucket(URL, segmenter, options, label=local, cache=cache, bucket=bucket)


def test_the_bytes_are_those_of_labels_in_a_folder(dataset, store, paint, segmenter, tmp_path):
    report = label(store, segmenter, tmp_path / "cache")
    assert (report.clips, report.panoramas) == (6, 24)
    local(dataset, paint.Segmenter(), OPTIONS)
    assert contents(store, URL) == tree(dataset)
    assert label(store, segmenter, tmp_path / "other").clips == 0
    assert contents(store, URL) == tree(dataset)


def test_a_run_that_is_killed_continues(dataset, store, paint, segmenter, tmp_path):
    for writes in (1, 2, 2):  # while the description of the set and the shards are uploaded
        with pytest.raises(Died):
            label(Dying(store, writes, after=bool(writes % 2)), segmenter, tmp_path / "cache")
    label(store, segmenter, tmp_path / "cache")
    local(dataset, paint.Segmenter(), OPTIONS)
    assert contents(store, URL) == tree(dataset)


def test_a_second_writer_and_other_options_are_refused(store, segmenter, tmp_path):
    with (
        WriterLease(memory_bucket(URL, store), "elsewhere"),
        user_error("in-use", URL),
    ):
        label(store, segmenter, tmp_path / "cache")
    label(store, segmenter, tmp_path / "cache", replace(OPTIONS, splits=("test",)))
    before = contents(store, URL)
    with user_error("conflict", "--name"):
        label(store, segmenter, tmp_path / "cache", replace(OPTIONS, fps=2.0))
    assert contents(store, URL) == before


def test_an_empty_prefix_is_no_dataset(segmenter, tmp_path):
    with user_error("missing", URL):
        label(Memory(), segmenter, tmp_path / "cache")
