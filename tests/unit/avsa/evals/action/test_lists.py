"""The split lists of UCF101 and HMDB51."""

from __future__ import annotations

import pytest
from helpers.action_videos import write_hmdb, write_ucf
from helpers.errors import user_error

from avsa.evals.action.lists import read_fold


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("actions")
    return {"ucf101": write_ucf(folder / "ucf"), "hmdb51": write_hmdb(folder / "hmdb")}


@pytest.fixture
def roots(made, tmp_path):
    """Lists that may be changed, beside the videos of `made`."""
    own = {}
    for name, root in made.items():
        own[name] = tmp_path / name
        own[name].mkdir()
        for each in root.iterdir():
            (own[name] / each.name).mkdir()
            for file in each.iterdir():
                target = own[name] / each.name / file.name
                if file.suffix == ".txt":
                    target.write_bytes(file.read_bytes())
                else:
                    target.symlink_to(file)
    return own


def test_lists_of_ucf101(made):
    first, second = (read_fold("ucf101", made["ucf101"], number) for number in (1, 2))
    assert first.classes == second.classes == ("Jump", "Run", "Swim")
    assert len(first.train) == 12 and len(first.test) == 6
    assert {video.source for video in first.test} == {f"{c}/v_{c}_g01" for c in first.classes}
    assert not {v.name for v in first.train} & {v.name for v in first.test}
    assert {v.name for v in first.train + first.test} == {
        v.name for v in second.train + second.test
    }
    assert all(v.name.startswith(first.classes[v.label]) and v.path.is_file() for v in first.train)
    assert first.fingerprint != second.fingerprint


def test_unused_videos_of_hmdb51_are_unused(made):
    fold = read_fold("hmdb51", made["hmdb51"], 1)
    assert fold.classes == ("jump", "run", "swim")
    assert {video.source for video in fold.test} == {"Film_0"}
    assert {video.source for video in fold.train} == {"Film_2", "Film_3"}


def test_lists_may_lie_beside_the_videos(made, roots):
    root = roots["ucf101"]
    lists = root / "ucfTrainTestlist"
    lists.rename(root.parent / "ucfTrainTestlist")
    again = read_fold("ucf101", root, 1)
    assert again.fingerprint == read_fold("ucf101", made["ucf101"], 1).fingerprint


def add(name, line):
    def change(root):
        path = root / name
        path.write_text(path.read_text() + line + "\n")

    return change


TRAIN, CLASSES = "ucfTrainTestlist/trainlist01.txt", "ucfTrainTestlist/classInd.txt"
HMDB = "testTrainMulti_7030_splits/run_test_split1.txt"


@pytest.mark.parametrize(
    ("dataset", "change", "code", "key"),
    [
        (
            "ucf101",
            lambda root: (root / "ucfTrainTestlist").rename(root / "x"),
            "missing",
            "--root",
        ),
        ("ucf101", lambda root: (root / TRAIN).unlink(), "missing", None),
        ("ucf101", lambda root: (root / "Run/v_Run_g02_c01.avi").unlink(), "missing", "--root"),
        ("ucf101", add(TRAIN, "Run/v_Run_g09_c01.avi 2"), "missing", "--root"),
        ("ucf101", add(TRAIN, "Run/v_Run_g02_c01.avi 2"), "conflict", "--root"),
        ("ucf101", add(TRAIN, "Run/v_Run_g01_c01.avi 2"), "conflict", "--root"),
        ("ucf101", add(TRAIN, "Run/v_Run_g09_c01.avi 3"), "conflict", None),
        ("ucf101", add(TRAIN, "Fly/v_Fly_g09_c01.avi 4"), "conflict", None),
        ("ucf101", add(TRAIN, "../v_Run_g02_c01.avi 2/"), "invalid", None),
        ("ucf101", add(TRAIN, "../x 2"), "invalid", None),
        ("ucf101", add(TRAIN, "Run/v_Run_g02_c01.avi"), "invalid", None),
        ("ucf101", add(CLASSES, "Run"), "invalid", None),
        ("hmdb51", add(HMDB, "x.avi 3"), "invalid", None),
        ("hmdb51", add(HMDB, "../x.avi 1"), "invalid", None),
        (
            "hmdb51",
            lambda root: (root / HMDB).write_text((root / HMDB).read_text().replace(" 2", " 0")),
            "conflict",
            "--root",
        ),
    ],
)
def test_wrong_lists_are_refused(roots, dataset, change, code, key):
    change(roots[dataset])
    with user_error(code, key):
        read_fold(dataset, roots[dataset], 1)


def test_a_class_for_training_only_is_refused_without_a_class_index(roots):
    root = roots["ucf101"]
    (root / CLASSES).unlink()
    assert len(read_fold("ucf101", root, 1).classes) == 3
    add(TRAIN, "Fly/v_Fly_g09_c01.avi 4")(root)
    with user_error("conflict", "--root"):
        read_fold("ucf101", root, 1)


def test_folds_and_data_sets_that_are_not_there_are_refused(made):
    with user_error("missing", "--folds"):
        read_fold("ucf101", made["ucf101"], 3)
    with user_error("conflict", "--dataset"):
        read_fold("hmdb51", made["ucf101"], 1)
    with user_error("missing", "--root"):
        read_fold("ucf101", made["ucf101"] / "nowhere" / "x", 1)
