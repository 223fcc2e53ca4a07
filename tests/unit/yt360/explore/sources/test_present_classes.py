"""The classes of clips are those of their labels."""

import math

import numpy as np
from helpers.explore import InProcess
from helpers.paths import REPOSITORY

from yt360.explore.sources.dataset import DatasetSource
from yt360.explore.sources.present_classes import PresentClasses
from yt360.labels.classes import NAMES, NO_CLASS
from yt360.labels.format.reader import LabelReader

SHARDS = REPOSITORY / "shards"


def test_they_are_those_that_some_pixel_has():
    labels, found = LabelReader(SHARDS, "test"), PresentClasses(SHARDS)
    for key in labels.keys:
        expected = set(np.unique(labels.read(key).joint).tolist()) - {NO_CLASS}
        assert found.of("test", key) == sorted(expected)


def test_after_the_deadline_only_known_ones_are_told():
    now = 0.0
    found = PresentClasses(SHARDS, lambda: now)
    first, second = LabelReader(SHARDS, "test").keys[:2]
    deadline = found.deadline(1.0)
    known = found.of("test", first, deadline)
    now = 2.0
    assert known and found.of("test", first, deadline) == known
    assert found.of("test", second, deadline) is None
    assert found.of("test", second, found.deadline(1.0))


def test_clips_without_labels_have_none(tmp_path):
    found = PresentClasses(SHARDS)
    assert found.of("test", "other-00000") is None
    assert (
        PresentClasses(tmp_path).names is None and PresentClasses(tmp_path).of("test", "a") is None
    )


def test_the_list_has_them():
    source = DatasetSource(SHARDS, InProcess(), classes_s=math.inf)
    column = next(column for column in source.columns if column.name == "classes")
    assert column.values == NAMES
    assert all(source.rows(0, source.num_clips)["classes"])
