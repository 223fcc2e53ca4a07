"""Claims stay alive while the catalog cannot be written for a moment, and are lost in time."""

from __future__ import annotations

import sqlite3
import threading
import time
from dataclasses import replace

import pytest

from yt360.catalog import Catalog, ClaimLost
from yt360.catalog.claim_renewal import ClaimRenewal
from yt360.catalog.tables.claims import Claims

VIDEO = "-abcdefghi_"
LEASE_S = 0.3


@pytest.fixture
def claim(catalog_path):
    with Catalog(catalog_path) as catalog:
        catalog.videos.add(VIDEO)
        return catalog.claims.take("download", "somebody", 600)


@pytest.fixture
def renewals(monkeypatch):
    """Return a function that makes the next renewals fail so, and a semaphore of those after."""
    renew, done = Claims.renew, threading.Semaphore(0)

    def install(*errors):
        pending = list(errors)

        def renew_or_fail(claims, claim, lease_s):
            if pending:
                raise pending.pop(0)
            renew(claims, claim, lease_s)
            done.release()

        monkeypatch.setattr(Claims, "renew", renew_or_fail)
        return done

    return install


def test_a_catalog_that_is_locked_for_a_moment_does_not_end_the_heartbeat(
    catalog_path, claim, renewals
):
    done = renewals(*[sqlite3.OperationalError("database is locked")] * 3)
    with ClaimRenewal(catalog_path, LEASE_S) as renewal, renewal.keep(claim):
        assert done.acquire(timeout=60) and done.acquire(timeout=60)


def test_a_catalog_that_cannot_be_opened_for_a_moment_does_not_end_it_either(
    catalog_path, claim, renewals
):
    done = renewals()
    away = catalog_path.with_name("away")
    catalog_path.rename(away)
    with ClaimRenewal(catalog_path, LEASE_S) as renewal, renewal.keep(claim):
        assert not done.acquire(timeout=2 * LEASE_S)
        away.rename(catalog_path)
        assert done.acquire(timeout=60)


def test_a_claim_that_could_not_be_renewed_is_lost_when_its_lease_has_passed(catalog_path, claim):
    renewal = ClaimRenewal(catalog_path, LEASE_S)  # without its thread nothing is renewed
    with renewal.keep(claim):
        renewal.check(claim)
    passed = replace(claim, expires_at=time.time() - 1)
    with renewal.keep(passed), pytest.raises(ClaimLost):
        renewal.check(passed)


def test_a_claim_that_another_worker_took_is_lost_at_the_next_beat(catalog_path, claim, renewals):
    beaten = renewals()
    with Catalog(catalog_path) as catalog:
        catalog.videos.add("other_video")
        other = catalog.claims.take("download", "somebody", 600)
        catalog.connection.execute("UPDATE videos SET claim = 'x' WHERE video_id = ?", (VIDEO,))
    renewal = ClaimRenewal(catalog_path, LEASE_S)
    with renewal, renewal.keep(claim), renewal.keep(other):
        assert beaten.acquire(timeout=60)  # the other one, which comes after it
        with pytest.raises(ClaimLost):
            renewal.check(claim)
