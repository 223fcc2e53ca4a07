"""Pickles and files of torch: what weights consist of is read, nothing else, and within limits."""

from __future__ import annotations

import contextlib
import io
import pickle
import resource
import struct
from collections import OrderedDict
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from yt360.untrusted.arrays import read_arrays, read_npz
from yt360.untrusted.torch_files import read_torch

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.text() | st.binary()
    | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)  # fmt: skip
DTYPES = ["<f4", ">f8", "<f2", "u1", "<i8", ">u2", "?"]


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@given(PLAIN, st.integers(2, 5))
def test_plain_values_are_read_as_python_reads_them(tmp_path_factory, value, protocol):
    path = tmp_path_factory.getbasetemp() / "plain.pkl"
    assert read_arrays(write(path, pickle.dumps(value, protocol))) == value


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_are_read_bit_for_bit(tmp_path, dtype, protocol):
    values = np.random.default_rng(0).integers(0, 2, (3, 4, 5)).astype(dtype)
    content = OrderedDict(a=values, b=values[:, ::2].T, c=np.asfortranarray(values[0]), d=values)
    path = write(tmp_path / "a.pkl", pickle.dumps(content, protocol))
    read, theirs = read_arrays(path), pickle.loads(path.read_bytes())
    assert list(read) == list(theirs)
    for name, array in theirs.items():
        assert read[name].dtype == array.dtype
        assert read[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("as_archive", [True, False])
def test_files_of_torch_are_read_bit_for_bit(tmp_path, as_archive, protocol):
    weight = torch.randn(6, 4, 3, 3).to(memory_format=torch.channels_last)
    content = {
        "state": OrderedDict(weight=weight, tied=weight, part=weight[1:3], none=torch.empty(0, 3)),
        "parameter": torch.nn.Parameter(torch.ones(3)),
        "kinds": [torch.arange(4).to(kind) for kind in (torch.bfloat16, torch.float64, torch.int8)],
        "bool": torch.tensor([True, False]),
        "scalar": torch.tensor(2.5),
        "plain": (1, -1.5, None, True, "é", 2**70),
    }
    torch.save(
        content,
        tmp_path / "c.pt",
        _use_new_zipfile_serialization=as_archive,
        pickle_protocol=protocol,
    )
    read = read_torch(tmp_path / "c.pt")
    assert read.pop("plain") == content.pop("plain")
    torch.testing.assert_close(read, content, rtol=0, atol=0, check_stride=True)


def test_an_archive_is_checked_before_its_parts_are_read(tmp_path):
    torch.save({"w": torch.zeros(1_000_000)}, tmp_path / "whole.pt")
    whole = ZipFile(tmp_path / "whole.pt")
    parts = {entry.filename: whole.read(entry) for entry in whole.infolist()}
    for name, compression in (("deflated.pt", ZIP_DEFLATED), ("stored.pt", ZIP_STORED)):
        with ZipFile(tmp_path / name, "w", compression) as archive:
            for part, content in parts.items():
                archive.writestr(part, content)
    assert torch.equal(read_torch(tmp_path / "stored.pt")["w"], torch.zeros(1_000_000))
    with pytest.raises(ValueError, match="compressed"):
        read_torch(tmp_path / "deflated.pt")
    whole_bytes = (tmp_path / "whole.pt").read_bytes()
    for cut in (4, 100, 100_000, len(whole_bytes) - 5):
        with pytest.raises(ValueError, match=r"^.{5,200}$"):
            read_torch(write(tmp_path / "cut.pt", whole_bytes[:cut]))
    overlapping = whole_bytes.replace(b"data/0", b"data/1", 1)  # one of the name's two places
    with pytest.raises(ValueError, match="damaged"):
        read_torch(write(tmp_path / "renamed.pt", overlapping))


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(1).expand(1 << 30),
        torch.zeros(2).as_strided((1 << 15, 2), (0, 1)),
        torch.zeros(8).as_strided((3, 3), (1, 1)),
    ],
)
@pytest.mark.parametrize("as_archive", [True, False])
def test_tensors_with_more_elements_than_the_file_are_refused(tmp_path, tensor, as_archive):
    torch.save({"w": tensor}, tmp_path / "w.pt", _use_new_zipfile_serialization=as_archive)
    with pytest.raises(ValueError, match="contains a tensor"):
        read_torch(tmp_path / "w.pt")


def test_a_tensor_that_is_named_ten_times_is_more_than_the_file(tmp_path):
    weight = torch.zeros(1 << 20)
    torch.save([weight] * 2, tmp_path / "tied.pt")
    assert len(read_torch(tmp_path / "tied.pt")) == 2
    torch.save([weight] * 10, tmp_path / "many.pt")
    with pytest.raises(ValueError, match="its arrays take more than"):
        read_torch(tmp_path / "many.pt")


@pytest.mark.parametrize(
    "value",
    [
        torch.ones(2, dtype=torch.complex64),
        torch.eye(2).to_sparse(),
        torch.ones(2, device="meta"),
        torch.nn.Linear(1, 1),
        {1, 2},
        slice(3),
    ],
)
def test_other_values_are_refused_by_name_and_no_advice_is_given(tmp_path, value):
    torch.save({"x": value}, tmp_path / "x.pt")
    with pytest.raises(ValueError, match=r"^it wants to run \S+, which no file of weights needs$"):
        read_torch(tmp_path / "x.pt")


ARRAY = (
    b"cnumpy._core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R(K\x01%s"
    b"cnumpy\ndtype\nX\x02\x00\x00\x00u1\x85R\x89%stb"
)
ENCODED = b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R"
MANY_BYTES = struct.pack("<I", 4_000_000) + bytes(4_000_000)
BOMBS = {
    "a key that nests": b"}()" + b"\x85" * 200_000 + b"K\x01u.",
    "a name that nests": b")" + b"\x85" * 200_000 + b")R.",
    "values that nest": b"]" * 1000 + b"a" * 999 + b".",
    "a list in itself": b"]q\x00h\x00a.",
    "a list doubled 40 times": b"]" + b"q\x00]h\x00ah\x00a" * 40 + b".",
    "a shape doubled 60 times": ARRAY % (b")" + b"q\x00h\x00\x86" * 60, b"C\x00") + b".",
    "an array of nothing": b"cnumpy\nndarray\n\x8a\x05\x00^\xd0\xb2\x00\x85X\x01\x00\x00\x00b\x86R"
    + b".",
    "an array of too few bytes": ARRAY % (b"J\x00\x00\x00\x70\x85", b"C\x02ab") + b".",
    "one content for many arrays": b"B" + MANY_BYTES + b"q\x00]"
    + (ARRAY % (b"J\x00\x09\x3d\x00\x85", b"h\x00") + b"a") * 20 + b".",
    "one text encoded many times": b"X" + MANY_BYTES + b"q\x00]" + (ENCODED + b"a") * 20 + b".",
    "bytes that are missing": b"\x8e" + struct.pack("<Q", 2**40) + b"abc.",
    "text that is missing": b"\x8d" + struct.pack("<Q", 2**63) + b"abc.",
    "a huge whole number": b"\x8a\xff" + b"\x7f" * 255 + b".",
    "a whole number of an odd kind": b"\x8b\x00\x00\x00\x7f.",
    "an endless name": b"c" + b"a" * 100_000 + b"\nb\n.",
    "many operations": b"N0" * 600_000 + b"N.",
    "no value": b".",
    "no mark": b"]e.",
    "a value that was never kept": b"h\x05.",
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_in_one_line_within_little_memory(tmp_path, name):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for read in (read_arrays, read_torch):
        with pytest.raises(ValueError, match=r"^.{5,200}$"):
            read(write(tmp_path / "bomb", b"\x80\x02" + BOMBS[name]))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


@given(st.data())
def test_damage_is_refused_in_one_line(tmp_path_factory, data):
    torch.save({"w": torch.arange(4.0), "o": {"a": [1, 2.0]}}, buffer := io.BytesIO())
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = write(tmp_path_factory.getbasetemp() / "damaged.pt", bytes(content))
    with contextlib.suppress(ValueError):
        read_torch(path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_of_an_npz_are_read_bit_for_bit(tmp_path, save):
    values = {"a": np.arange(6, dtype=">f4").reshape(2, 3), "b": np.asfortranarray(np.eye(3))}
    save(tmp_path / "a.npz", **values, other=np.array(["text"]))
    read = read_npz(tmp_path / "a.npz", ("a", "b"), 10_000)
    for name, array in values.items():
        np.testing.assert_array_equal(read[name], array, strict=True)


def npy(shape: str, content: bytes, kind: str = "<f4") -> bytes:
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


@pytest.mark.parametrize(
    "content",
    [
        npy("(1000000000000,)", b""),
        npy("(2,)", b"1234"),
        npy("(-1,)", b""),
        npy("(1,)", b"12345678", "|O"),
        npy("(1,)", b"1", "|b1"),
        npy("(" * 5000, b""),
        npy("()", bytes(10_000_000)),
        b"\x93NUMPY\x09\x00",
        b"",
    ],
)
def test_an_npz_with_an_odd_array_is_refused_in_one_line(tmp_path, content):
    with ZipFile(tmp_path / "a.npz", "w", ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=r"^.{5,300}$"):
        read_npz(tmp_path / "a.npz", ("a",), 1_000_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB
    for name in ("b", "a.npy"):
        with pytest.raises(ValueError, match="lacks an array"):
            read_npz(tmp_path / "a.npz", (name,), 1_000_000)
