"""Claims: one holder at a time, whatever becomes of the others."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from yt360.labels import claims
from yt360.labels.claims import claimed
from yt360.labels.format.leftovers import remove_leftovers


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".panoptic-000000.claim"


def holder(path, **changes):
    """Leave a claim behind as another worker would."""
    content = {"token": "theirs", **claims._here(), "pid": os.getpid(), **changes}
    path.write_text(json.dumps(content))


def test_a_claim_excludes_others_and_ends_with_its_block(path):
    with claimed(path) as ours:
        assert ours
        with claimed(path) as again:
            assert not again
        assert path.exists()
    assert list(path.parent.iterdir()) == []


def test_an_error_releases_the_claim(path):
    with pytest.raises(RuntimeError), claimed(path):
        raise RuntimeError
    assert not path.exists()


def dead_process():
    """Return the id of a process that has ended."""
    with subprocess.Popen(["true"]) as child:
        return child.pid


def test_the_claim_of_a_dead_process_of_this_machine_is_taken_over_at_once(path):
    holder(path, pid=dead_process())
    with claimed(path) as ours:
        assert ours
    assert list(path.parent.iterdir()) == []


def test_a_killed_holder_leaves_a_claim_that_the_next_one_takes(path):
    code = (
        "import sys, time; from pathlib import Path; from yt360.labels.claims import claimed\n"
        f"with claimed(Path({str(path)!r})) as ours:\n    print(ours, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"True\n"
        with claimed(path) as ours:
            assert not ours
        child.kill()
    assert path.exists()
    with claimed(path) as ours:
        assert ours


@pytest.mark.parametrize(("age_s", "taken"), [(30, False), (3000, True)])
def test_a_claim_from_elsewhere_holds_until_its_lease_ends(path, age_s, taken):
    holder(path, host="elsewhere", pid=1)
    then = time.time() - age_s
    os.utime(path, (then, then))
    with claimed(path, lease_s=600) as ours:
        assert ours is taken


def test_a_heartbeat_keeps_the_claim_fresh(path):
    with claimed(path, beat_s=0.02):
        os.utime(path, (0, 0))
        deadline = time.monotonic() + 10
        while path.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert path.stat().st_mtime > 0


def test_a_claim_that_was_lost_is_not_removed(path):
    with claimed(path):
        holder(path, host="elsewhere")
    assert json.loads(path.read_text())["token"] == "theirs"


def test_a_damaged_claim_counts_by_its_age_alone(path):
    path.write_text("{")
    with claimed(path) as ours:
        assert not ours
    os.utime(path, (0, 0))
    with claimed(path) as ours:
        assert ours


def test_of_many_takers_of_a_stale_claim_one_succeeds(path):
    holder(path, host="elsewhere")
    os.utime(path, (0, 0))
    start, won, done = threading.Barrier(8, timeout=30), [], threading.Barrier(8, timeout=30)

    def take():
        start.wait()
        with claimed(path) as ours:
            won.append(ours)
            done.wait()

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(won) == 1


def test_a_claim_that_changes_hands_after_it_was_judged_is_left_alone(path, monkeypatch):
    holder(path, token="dead", host="elsewhere")
    os.utime(path, (0, 0))
    judge, judged = claims.is_abandoned, []

    def judge_and_be_late(where, now, lease_s):
        verdict = judge(where, now, lease_s)
        if not judged:  # just judged: another worker takes the claim over before we do
            holder(path, token="new", host="elsewhere")
        judged.append(verdict)
        return verdict

    monkeypatch.setattr(claims, "is_abandoned", judge_and_be_late)
    with claimed(path) as ours:
        assert not ours
    assert judged == [True, False]
    assert claims._read(path)["token"] == "new"
    assert list(path.parent.iterdir()) == [path]


def test_a_takeover_that_died_halfway_does_not_block_the_next_one(path):
    holder(path, host="elsewhere")
    holder(path.with_name(f"{path.name}.takeover"), host="elsewhere")
    for left in path.parent.iterdir():
        os.utime(left, (0, 0))
    with claimed(path) as ours:
        assert ours
    assert list(path.parent.iterdir()) == []


def test_a_claim_that_nobody_needs_any_more_goes_with_its_maker(path):
    holder(path)
    remove_leftovers(path.parent, "panoptic")
    assert path.exists(), "its maker lives"
    holder(path, pid=dead_process())
    remove_leftovers(path.parent, "released")
    assert path.exists(), "it is of another set"
    remove_leftovers(path.parent, "panoptic")
    assert not path.exists()
