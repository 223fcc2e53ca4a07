"""One writer at a time."""

import json
import time

import pytest
from helpers.errors import user_error

from yt360.buckets.failures import Changed
from yt360.buckets.lease import LEASE_FILE, LEASE_S, WriterLease
from yt360.locks import Locked


def test_a_second_writer_is_refused_until_the_first_ends(bucket):
    with WriterLease(bucket, "here"):
        with user_error("in-use", bucket.url), WriterLease(bucket, "elsewhere"):
            pass
        assert bucket.sizes().keys() == {LEASE_FILE}
    with WriterLease(bucket, "elsewhere"):
        pass
    assert bucket.sizes() == {}


def killed(bucket, workspace, renewed_s):
    """Leave the object of a writer that was killed."""
    holder = {"session": "s", "workspace": workspace, "process": "p", "renewed_s": renewed_s}
    bucket.put(LEASE_FILE, json.dumps(holder).encode())


def test_the_workspace_of_a_killed_writer_continues_at_once(bucket):
    killed(bucket, "here", 1000.0)
    with pytest.raises(Locked), WriterLease(bucket, "elsewhere", clock=lambda: 1001.0):
        pass
    with WriterLease(bucket, "here", clock=lambda: 1001.0):
        pass
    assert bucket.sizes() == {}


def test_other_writers_take_over_when_the_lease_has_expired(bucket):
    killed(bucket, "here", 1000.0)
    with WriterLease(bucket, "elsewhere", clock=lambda: 1000.0 + LEASE_S) as lease:
        lease.check()


def test_a_damaged_object_is_replaced(bucket):
    bucket.put(LEASE_FILE, b"{")
    with WriterLease(bucket, "here"):
        assert b"here" in bucket.read(LEASE_FILE).content


def test_the_lease_is_renewed_and_its_loss_is_noticed(bucket):
    now = iter(range(1, 10**6))
    with WriterLease(bucket, "here", clock=lambda: float(next(now)), renew_s=0.01) as lease:
        first = bucket.read(LEASE_FILE)
        stored = _after_change(bucket, first)
        assert json.loads(stored.content)["session"] == lease.session
        lease.check()
        bucket.delete(LEASE_FILE)
        killed(bucket, "elsewhere", 10.0**9)
        with pytest.raises(Changed):
            for _ in range(1000):
                lease.check()
                time.sleep(0.01)
    assert b"elsewhere" in bucket.read(LEASE_FILE).content  # it is not ours to delete


def _after_change(bucket, before):
    for _ in range(1000):
        stored = bucket.read(LEASE_FILE)
        if stored.version != before.version:
            return stored
        time.sleep(0.01)
    raise AssertionError("it was not renewed")
