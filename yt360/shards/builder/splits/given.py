"""Splits that are given with the inputs (`yt360 build-shards --test`) instead of by hash."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pyarrow as pa

from yt360.errors import UserError
from yt360.files import resolved
from yt360.shards.builder.inputs.input_video import FoundInputs, InputVideo, merge_inputs
from yt360.splits import Split


def give_splits(train: FoundInputs, test: FoundInputs) -> FoundInputs:
    """Return the inputs of both, each with its split.

    Args:
        train: Inputs of the training split.
        test: Inputs of the test split.

    Raises:
        UserError: ``"conflict"``: A file or a video is in both, or the list of a catalog gives a
            video another split.
    """
    files = {resolved(item.video) for item in train.videos}
    for item in test.videos:
        if resolved(item.video) in files:
            raise _conflict(f"{item.video} is in INPUT and in --test; give it once")
    names = {item.video_id: item for item in train.videos}
    for item in test.videos:
        other = names.get(item.video_id)
        if other is not None:
            raise _conflict(
                f"{other.video} in INPUT and {item.video} in --test have the same video id "
                f"{item.video_id}; give files of one video to one split, and rename other files"
            )
    return merge_inputs([_with_split(train, "train"), _with_split(test, "test")])


def check_given_splits(videos: Iterable[InputVideo], tables: Mapping[Split, pa.Table]) -> None:
    """Check that every input has a split, and no other one in the dataset.

    Args:
        videos: All inputs.
        tables: Index of the existing shards, by split.

    Raises:
        UserError: An input has no split, or its video is in the other split of the dataset.
    """
    present = {
        video_id: split
        for split, table in tables.items()
        for video_id in table.column("video_id").unique().to_pylist()
    }
    for item in videos:
        if item.split is None:
            raise UserError(f"{item.name} has no split; give one to every input", key="split")
        if present.get(item.video_id, item.split) != item.split:
            raise _conflict(
                f"{item.name} is in the split {present[item.video_id]} of the dataset, and now "
                f"given as {item.split}; a split never changes: build into another --out"
            )


def _with_split(found: FoundInputs, split: Split) -> FoundInputs:
    for item in found.videos:
        if item.split not in (None, split):
            raise _conflict(
                f"the list of a catalog gives {item.video_id} the split {item.split}, not {split}; "
                "leave --test out to use the splits of the list"
            )
    return replace(found, videos=tuple(replace(item, split=split) for item in found.videos))


def _conflict(message: str) -> UserError:
    return UserError(message, code="conflict", key="--test")
