"""Labelling datasets: complete, resumable, shared, and the same whoever did it."""

import json
import shutil
import time
from functools import partial
from typing import ClassVar

import pytest
import torch
from helpers import processes
from helpers.errors import user_error
from helpers.in_process import InlinePool, in_process

from yt360.errors import UserError
from yt360.labels import shard_task
from yt360.labels.format.label_set import LabelSet
from yt360.labels.format.reader import LabelReader
from yt360.labels.format.shard_file import LabelShardFile
from yt360.labels.pseudolabel import LabelOptions, pseudolabel, pseudolabel_in_processes
from yt360.labels.segmenters.base import Segmentation
from yt360.labels.segmenters.truth import TruthConfig
from yt360.labels.shard_task import shard_tasks
from yt360.shards.check.dataset import check_dataset
from yt360.shards.format.writer import ShardWriter

OPTIONS = LabelOptions(views="cube-100", view_size=32, height=32, batch=12)
label = partial(pseudolabel, isolate=in_process)


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_every_clip_gets_its_maps(dataset, clips, paint):
    report = label(dataset, paint.Segmenter(), OPTIONS)
    assert (report.clips, report.panoramas, report.elsewhere) == (6, 24, 0)
    assert not report.skipped
    for split, keys in (("train", list(clips)[:4]), ("test", list(clips)[4:])):
        reader = LabelReader(dataset, split)
        assert reader.keys == keys
        for key in keys:
            maps, truth = reader.read(key).joint, clips[key][1]
            assert maps.shape == (4, 32, 64)
            inner = torch.stack([paint.away_from_borders(each) for each in truth]).numpy()
            assert (maps == truth.numpy())[inner].mean() > 0.99
    made = LabelSet.load(dataset, "panoptic")
    assert made.made_by == {"segmenter": "paint", "views": "cube-100", "view_size": 32}
    assert list(check_dataset(dataset, quick=True, make_pool=InlinePool)) == []


def test_a_run_that_fails_leaves_no_set_of_labels(dataset, paint):
    class Broken(paint.Segmenter):
        def segment(self, *_):
            raise UserError("no scene is behind this", code="missing")

    before = tree(dataset)
    with user_error("missing"):
        label(dataset, Broken(), OPTIONS)
    assert tree(dataset) == before
    label(dataset, paint.Segmenter(), OPTIONS)
    assert (dataset / "labels-panoptic.json").exists()


def test_a_second_run_finds_nothing_to_do(dataset, paint):
    label(dataset, paint.Segmenter(), OPTIONS)
    before = tree(dataset)
    again = paint.Segmenter()
    assert label(dataset, again, OPTIONS).clips == 0
    assert again.calls == []
    assert tree(dataset) == before


def test_parts_labelled_by_different_workers_are_the_same_bytes(dataset, paint, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(dataset, copy)
    label(dataset, paint.Segmenter(), OPTIONS)
    for part in (
        LabelOptions(views="cube-100", view_size=32, height=32, batch=1, splits=("test",)),
        LabelOptions(views="cube-100", view_size=32, height=32, shards=frozenset({1})),
        LabelOptions(views="cube-100", view_size=32, height=32, batch=100),
    ):
        assert label(copy, paint.Segmenter(), part).clips == 2
    assert tree(copy) == tree(dataset)


def test_clips_that_do_not_decode_are_skipped_counted_and_tried_again(
    broken_dataset, clips, paint, capsys
):
    report = label(broken_dataset, paint.Segmenter(), OPTIONS)
    assert report.clips == 2
    assert report.skipped == {"undecodable": 2}
    assert "skipped -video_id_1-00001" in capsys.readouterr().err
    keys = list(clips)
    assert LabelReader(broken_dataset, "train").keys == [keys[0], keys[3]]
    assert list(check_dataset(broken_dataset, quick=True, make_pool=InlinePool)) == []
    before = tree(broken_dataset)
    assert label(broken_dataset, paint.Segmenter(), OPTIONS).skipped["undecodable"] == 2
    assert tree(broken_dataset) == before


def test_clips_that_were_mended_are_added_to_their_shard(dataset, clips, paint):
    whole = label(dataset, paint.Segmenter(), OPTIONS)
    assert whole.clips == 6
    wanted = tree(dataset)
    (work, *_) = shard_tasks(dataset, ["train"])
    first, second = (LabelReader(dataset, "train").read_bytes(key) for key in list(clips)[:2])
    work.labels_path("panoptic").unlink()
    work.write("panoptic", {list(clips)[1]: second})
    assert tree(dataset) != wanted
    assert label(dataset, paint.Segmenter(), OPTIONS).clips == 1
    assert tree(dataset) == wanted
    assert LabelReader(dataset, "train").read_bytes(next(iter(clips))) == first


def test_a_damaged_shard_of_labels_is_made_again(dataset, paint):
    label(dataset, paint.Segmenter(), OPTIONS)
    wanted = tree(dataset)
    path = dataset / "train" / "panoptic-000001.tar"
    path.write_bytes(path.read_bytes()[:700])
    assert label(dataset, paint.Segmenter(), OPTIONS).clips == 2
    assert tree(dataset) == wanted


def test_worker_processes_elsewhere_write_the_bytes_of_one_process(scene_dataset, tmp_path):
    options = LabelOptions(name="again", views="panorama", height=32)
    truth = TruthConfig(scenes=scene_dataset.scenes)
    one, several = tmp_path / "one", tmp_path / "several"
    shutil.copytree(scene_dataset.dataset, one)
    shutil.copytree(scene_dataset.dataset, several)
    here = pseudolabel_in_processes(one, truth, options, 1)
    (work, *_) = shard_tasks(several, ["train"])
    with work.locked("again"):  # by a worker that is thought to be lost
        there = pseudolabel_in_processes(several, truth, options, 2, InlinePool)
    assert (there.clips, there.panoramas, there.elsewhere) == (here.clips, here.panoramas, 0)
    assert there.clips and tree(several) == tree(one)
    assert pseudolabel_in_processes(several, truth, options, 2, InlinePool).clips == 0
    with user_error("missing", key="--shards"):
        wrong = LabelOptions(name="again", shards=frozenset({99}))
        pseudolabel_in_processes(several, truth, wrong, 2, InlinePool)


def test_shards_that_others_hold_are_left_to_them(dataset, paint):
    (work, *_) = shard_tasks(dataset, ["train"])
    with work.locked("panoptic"):
        report = label(dataset, paint.Segmenter(), OPTIONS)
    assert (report.clips, report.elsewhere) == (4, 1)
    assert not work.labels_path("panoptic").exists()
    assert label(dataset, paint.Segmenter(), OPTIONS).clips == 2


class Slow:
    """Gives each pixel half its red, after a pause."""

    network_s = 0.0
    facts: ClassVar = {"segmenter": "slow"}

    def __init__(self, pause_s):
        self.pause_s = pause_s

    def segment(self, pictures, _):
        time.sleep(self.pause_s)
        zeros = torch.zeros(pictures.shape[1:3], dtype=torch.int32)
        return [Segmentation(p[..., 0] // 2, zeros.float() + 1, zeros) for p in pictures]


def label_slowly(folder, pause_s):
    """Label in this process; also the function of a process that is killed."""
    options = LabelOptions(views="cube-90", view_size=16, height=16, batch=6)
    return label(folder, Slow(pause_s), options)


def test_workers_share_the_shards_and_a_killed_one_loses_nothing(dataset, tmp_path):
    reference = tmp_path / "reference"
    shutil.copytree(dataset, reference)
    assert label_slowly(reference, 0).clips == 6
    victim = processes.start(__file__, "label_slowly", dataset, 1000)
    try:
        while not list(dataset.rglob(".panoptic-*.lock")):
            assert victim.is_alive()
            time.sleep(0.01)
        report = label_slowly(dataset, 0)
        assert (report.clips, report.elsewhere) == (4, 1)  # all but the shard that it holds
    finally:
        victim.kill()
        victim.join()
    assert not (dataset / "train" / "panoptic-000000.tar").exists()
    assert label_slowly(dataset, 0).clips == 2
    assert tree(dataset) == tree(reference)


def test_progress_counts_what_other_workers_did(dataset, paint, capsys):
    class Helped(paint.Segmenter):
        """While it labels its first shard, another worker labels the last one."""

        def segment(self, pictures, sources):
            if not self.calls:
                last = LabelOptions(views="cube-100", view_size=32, height=32, splits=("test",))
                assert label(dataset, paint.Segmenter(), last).clips == 2
                capsys.readouterr()
            return super().segment(pictures, sources)

    assert label(dataset, Helped(), OPTIONS).clips == 4
    assert "labelling: 24/24 panoramas" in capsys.readouterr().err


def test_two_workers_without_a_lock_write_the_same_shard(dataset, clips):
    (work, *_) = shard_tasks(dataset, ["train"])
    first, second = list(clips)[:2]
    maps = {first: b"1", second: b"22"}
    with ShardWriter(work.labels_path("panoptic")) as slow:
        slow.add(first, {"panoptic.npz": maps[first]})
        work.write("panoptic", maps)
        wanted = work.labels_path("panoptic").read_bytes()
        slow.add(second, {"panoptic.npz": maps[second]})
    assert work.labels_path("panoptic").read_bytes() == wanted


def test_labels_are_kept_by_key_when_another_worker_replaces_the_shard(dataset, clips, monkeypatch):
    (work, *_) = shard_tasks(dataset, ["train"])
    first, second = list(clips)[:2]
    work.write("panoptic", {second: b"22"})

    class Late(ShardWriter):
        """Another worker is done just when this one begins to write."""

        def __enter__(self):
            with monkeypatch.context() as patch:
                patch.setattr(shard_task, "ShardWriter", ShardWriter)
                work.write("panoptic", {first: b"1"})
            return super().__enter__()

    monkeypatch.setattr(shard_task, "ShardWriter", Late)
    work.write("panoptic", {first: b"1"})
    shard = LabelShardFile(work.labels_path("panoptic"), "panoptic")
    assert [shard.read(key) for key in (first, second)] == [b"1", b"22"]


def test_other_options_need_another_name(dataset, paint):
    label(dataset, paint.Segmenter(), OPTIONS)
    taller = LabelOptions(views="cube-100", view_size=32, height=48)
    with user_error("conflict", key="--name"):
        label(dataset, paint.Segmenter(), taller)
    named = LabelOptions(views="cube-100", view_size=32, height=48, name="tall")
    assert label(dataset, paint.Segmenter(), named).clips == 6
    assert LabelReader(dataset, "train", "tall").info.height == 48


def test_requests_that_cannot_be_met(dataset, paint, tmp_path):
    with user_error("missing", key="--shards"):
        label(dataset, paint.Segmenter(), LabelOptions(shards=frozenset({7})))
    with user_error("missing", key=tmp_path):
        label(tmp_path, paint.Segmenter(), OPTIONS)
    with user_error("out-of-range", key="fps"):
        LabelOptions(fps=0)
    with user_error("unknown-name", key="--views"):
        LabelOptions(views="cubes")
    assert not list(dataset.glob("labels-*.json"))


def test_the_report_tells_the_share_outside_the_network(dataset, paint):
    class Timed(paint.Segmenter):
        def segment(self, pictures, sources):
            self.network_s += 0.25
            return super().segment(pictures, sources)

    report = label(dataset, Timed(), OPTIONS)
    assert report.network_s == pytest.approx(0.25 * 12)  # 24 frames, two a batch
    assert report.outside_fraction == pytest.approx(1 - report.network_s / report.elapsed_s)


def test_description_is_plain_json(dataset, paint):
    label(dataset, paint.Segmenter(), OPTIONS)
    content = json.loads((dataset / "labels-panoptic.json").read_text())
    assert content["format"] == "yt360-labels"
    assert (content["height"], content["width"], content["fps"]) == (32, 64, 4.0)
