"""Changing pickles operation by operation."""

from __future__ import annotations

import pickletools
from functools import cache
from random import Random

from fuzzing.mutate import mutate_bytes


def mutate_pickle(draw: Random, content: bytes) -> bytes:
    """Return a pickle with operations changed, moved, repeated or added."""
    if draw.random() < 0.2:
        return mutate_bytes(draw, content)
    operations = _operations(content)
    for _ in range(draw.choice((1, 1, 2, 3, 6))):
        place = draw.randrange(len(operations) or 1)
        kind = draw.randrange(7)
        if kind == 0:
            del operations[place : place + draw.choice((1, 1, 2, 5))]
        elif kind == 1:
            operations[place:place] = operations[place : place + draw.choice((1, 2, 8))]
        elif kind == 2 and operations:
            other = draw.randrange(len(operations))
            operations[place], operations[other] = operations[other], operations[place]
        elif kind == 3 and operations:
            operations[place] = mutate_bytes(draw, operations[place])
        elif kind == 4:
            operations[place:place] = [draw.choice(_OPERATIONS)] * draw.choice((1, 1, 1, 2, 1000))
        elif kind == 5:
            operations[place:place] = [draw.choice(_GADGETS)]
        else:
            operations[place:place] = draw.choices(_OPERATIONS, k=draw.randint(2, 8))
    return b"".join(operations)


_OPERATIONS = (
    b"(", b")", b"]", b"}", b"N", b"0", b"1", b"2", b"t", b"l", b"d", b"a", b"e", b"s", b"u", b"b",
    b"R", b"\x81", b"\x85", b"\x86", b"\x87", b"\x88", b"\x89", b".", b"\x80\x02", b"\x80\xff",
    b"K\x01", b"J\xff\xff\xff\x7f", b"M\xff\xff", b"\x8a\x08" + b"\xff" * 8, b"q\x00", b"h\x00",
    b"r\xff\xff\xff\x7f", b"j\xff\xff\xff\x7f", b"X\xff\xff\xff\x7f", b"T\xff\xff\xff\x7f", b"\x94",
    b"\x95" + b"\xff" * 8, b"\x8b\xff\xff\xff\x7f", b"I99999999999999999999\n", b"F1e999\n",
    b"G\x7f\xf8\x00\x00\x00\x00\x00\x00", b"U\x01a", b"S'a'\n", b"Vx\n", b"Pid\n", b"Q", b"\x8f",
    b"\x90", b"\x91", b"\x96" + b"\xff" * 7 + b"\x7f", b"\x92", b"\x93", b"\x82\x01", b"L1L\n",
    b"cnumpy\nndarray\n", b"cnumpy\ndtype\n", b"ccollections\nOrderedDict\n", b"c_codecs\nencode\n",
    b"cnumpy.core.multiarray\n_reconstruct\n", b"cnumpy._core.multiarray\n_reconstruct\n",
    b"cposix\nsystem\n", b"cbuiltins\neval\n", b"ctorch\nFloatStorage\n", b"cbuiltins\nbytearray\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch.serialization\n_get_layout\n",
)  # fmt: skip
_GADGETS = (
    b"(cposix\nsystem\nS'echo > ../victim/file'\no",
    b"cnumpy\nndarray\n(J\xff\xff\xff\x2f\x85R.",
    b"cnumpy\nndarray\n((J\xff\xff\x00\x00J\xff\xff\x00\x00J\xff\x00\x00\x00ttR",
    b"cnumpy\ndtype\n(X\x03\x00\x00\x00f8,tR",
    b"cnumpy\ndtype\n(X\x0b\x00\x00\x00V2000000000tR",
    b"cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R",
    b"]q\x01h\x01a",
    b"(" * 20_000 + b"t" * 20_000,
    b"N" + b"\x85" * 50_000,
    b"]" * 3 + b"2a" * 200,
    b"}N" + b"\x85" * 2000 + b"Ns",
)  # fmt: skip


@cache
def _cut_operations(content: bytes) -> tuple[bytes, ...]:
    starts = [place for _, _, place in pickletools.genops(content) if place is not None]
    return tuple(content[a:b] for a, b in zip(starts, [*starts[1:], len(content)], strict=True))


def _operations(content: bytes) -> list[bytes]:
    return list(_cut_operations(content))
