"""Decoders for decoder processes that marked bytes kill, hang, inflate or confuse."""

from __future__ import annotations

import ctypes

from avsa.data.clip_reader import ClipReader
from avsa.data.decoder_process import MEMORY_BYTES
from yt360.clip_codec.decoder import ClipDecoder
from yt360.clip_codec.flac import read_flac_index

CRASH, HANG, EAT, BUG, ODD = b"!crash!!", b"!hangs!!", b"!eats!!!", b"!bug!!!!", b"!odd!!!!"


class OddError(Exception):
    """Cannot be unpickled."""

    def __init__(self, first, second):
        super().__init__(f"{first} {second}")


def marked(flac: bytes, mark: bytes) -> bytes:
    """Return a FLAC file with its header intact, and a mark in place of all coded bytes."""
    start = int(read_flac_index(memoryview(flac)).offsets[0])
    return (flac[:start] + mark * (len(flac) // len(mark)))[: len(flac)]


class FatalReader(ClipReader):
    """Reads with a decoder that marks kill."""

    def __init__(self):
        super().__init__(FatalDecoder())


class FatalDecoder(ClipDecoder):
    """Decodes, unless the coded bytes are a mark."""

    def decode_audio(self, coded_range, coded, samples):
        for mark, fate in FATES.items():
            if mark in bytes(coded):
                fate()
        super().decode_audio(coded_range, coded, samples)


def _crash():
    ctypes.string_at(0)


def _hang():
    while True:
        pass


def _eat():
    bytearray(2 * MEMORY_BYTES)


def _raise():
    raise ArithmeticError("a bug")


def _raise_odd():
    raise OddError("an odd", "bug")


FATES = {CRASH: _crash, HANG: _hang, EAT: _eat, BUG: _raise, ODD: _raise_odd}
