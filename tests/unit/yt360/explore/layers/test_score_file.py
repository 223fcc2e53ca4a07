"""Scores survive the server, and damage costs only the lines that it hits."""

from yt360.explore.layers.score_file import ScoreFile


def test_what_is_appended_is_read_by_the_next_one(tmp_path):
    first, second = (ScoreFile(tmp_path / "scores", ["run", "clips"]) for _ in range(2))
    assert list(first.read()) == []
    first.append("test", "a\n-00000", 0.25)
    second.append("train", "b-00010", -1.0)
    assert list(first.read()) == [("test", "a\n-00000", 0.25), ("train", "b-00010", -1.0)]


def test_another_run_or_dataset_has_another_file(tmp_path):
    identities = (["run", "clips"], ["run", "others"], ["run2", "clips"], ["runclips", ""])
    assert len({ScoreFile(tmp_path, each).path for each in identities}) == len(identities)


def test_lines_that_are_no_scores_are_ignored(tmp_path):
    scores = ScoreFile(tmp_path, ["run"])
    scores.append("test", "a", 0.5)
    with scores.path.open("ab") as file:
        for line in (
            b'["test", "b"', b"[]", b"{}", b'["test", 1, 0.1]', b'["test", "c", null]',
            b'["test", "c", NaN]', b'["test", "c", true]', b"\xff", b"[" * 9999,
        ):  # fmt: skip
            file.write(line + b"\n")
    scores.append("test", "d", 0.75)
    assert list(scores.read()) == [("test", "a", 0.5), ("test", "d", 0.75)]


def test_without_a_place_to_write_nothing_fails(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    scores = ScoreFile(tmp_path / "file" / "scores", ["run"])
    scores.append("test", "a", 0.5)
    assert list(scores.read()) == []
