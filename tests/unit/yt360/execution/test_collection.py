"""Imports without garbage collection."""

import gc

from yt360.execution.collection import uncollected_imports


def test_nothing_is_collected_in_the_block_and_its_objects_are_left_out_afterwards():
    gc.unfreeze()
    try:
        with uncollected_imports():
            assert not gc.isenabled()
            kept = [[] for _ in range(1000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() >= len(kept)
    finally:
        gc.unfreeze()


def test_collection_stays_off_where_it_was_off():
    gc.disable()
    try:
        with uncollected_imports():
            pass
        assert not gc.isenabled()
        assert gc.get_freeze_count() == 0
    finally:
        gc.enable()
