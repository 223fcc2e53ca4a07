"""Maps of a clip as bytes."""

import ast
import io
import zipfile

import numpy as np
import pytest
from helpers.errors import bad_item

from yt360.labels.classes import split
from yt360.labels.format.maps import decode_labels, encode_labels


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def test_maps_come_back_as_they_went_in(random_maps):
    joint = random_maps()
    found = decode_labels(encode_labels(joint))
    things, stuff = split(joint)
    assert (found.things == things).all()
    assert (found.stuff == stuff).all()
    assert (found.joint == joint).all()
    assert found.things.dtype == found.stuff.dtype == np.uint8


def test_equal_maps_are_equal_bytes(random_maps):
    assert encode_labels(random_maps()) == encode_labels(random_maps().copy())


@pytest.mark.parametrize("end", [0, 10, 200, -30])
def test_damaged_maps_are_bad_items(random_maps, end):
    with bad_item("labels-damaged"):
        decode_labels(encode_labels(random_maps())[:end])


def test_a_flipped_bit_is_noticed(random_maps):
    content = bytearray(encode_labels(random_maps(shape=(4, 32, 64))))
    content[len(content) // 2] ^= 16
    with bad_item("labels-damaged"):
        decode_labels(bytes(content))


def test_maps_of_unknown_classes_are_bad_items():
    with bad_item("labels-damaged"):
        decode_labels(encode_labels(np.full((1, 2, 2), 200, np.uint8)))


def test_maps_written_with_numpy_by_hand_are_read(random_maps):
    things, stuff = split(random_maps())
    found = decode_labels(npz(stuff=stuff, things=np.asfortranarray(things)))
    assert (found.things == things).all()
    assert (found.stuff == stuff).all()


@pytest.mark.parametrize(
    ("things", "stuff"),
    [
        (np.zeros((2, 4, 8), np.int64), np.zeros((2, 4, 8), np.int64)),
        (np.zeros((2, 4, 8), np.uint8), np.zeros((2, 4, 8), np.int64)),
        (np.zeros((4, 8), np.uint8), np.zeros((4, 8), np.uint8)),
        (np.zeros((2, 4, 4), np.uint8), np.zeros((2, 4, 8), np.uint8)),
        (np.array(["person"]), np.array(["grass"])),
    ],
    ids=["not-uint8", "one-not-uint8", "two-axes", "other-shape", "text"],
)
def test_arrays_that_are_no_maps_are_bad_items(things, stuff):
    with bad_item("labels-damaged"):
        decode_labels(npz(things=things, stuff=stuff))


def test_members_that_are_no_arrays_are_bad_items():
    for content in (b"", b"nothing", b"\x93NUMPY\x01\x00\xff\xff" + b"x" * 9):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("things.npy", content)
            archive.writestr("stuff.npy", content)
        with bad_item("labels-damaged"):
            decode_labels(buffer.getvalue())


def test_reading_parses_no_python(random_maps, monkeypatch):
    """Python's parser may not be used from several threads in 3.11."""
    content = encode_labels(random_maps())

    def refuse(*args, **options):
        raise SystemError("AST constructor recursion depth mismatch")

    monkeypatch.setattr(ast, "parse", refuse)
    assert (decode_labels(content).joint == random_maps()).all()


def test_maps_that_unpack_to_more_than_their_limit_are_not_unpacked(monkeypatch):
    monkeypatch.setattr("yt360.labels.format.maps.MAX_MAP_BYTES", 1000)
    content = npz(things=np.zeros((9, 40, 80), np.uint8), stuff=np.zeros((9, 40, 80), np.uint8))
    with bad_item("labels-damaged"):
        decode_labels(content)


@pytest.mark.parametrize(("place", "value"), [(6, 1), (8, 99)], ids=["password", "unknown method"])
def test_members_that_zipfile_does_not_know_are_bad_items(place, value):
    content = bytearray(
        npz(things=np.zeros((1, 4, 8), np.uint8), stuff=np.zeros((1, 4, 8), np.uint8))
    )
    entry = content.index(b"PK\x01\x02")
    content[place] = content[entry + place + 2] = value
    with bad_item("labels-damaged"):
        decode_labels(bytes(content))
