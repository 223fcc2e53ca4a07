"""Names from outside name files inside a folder, or are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yt360.clips import parse_key
from yt360.shards.format.schema import parse_shard_name
from yt360.untrusted.names import MAX_NAME_BYTES, file_name, path_inside

HOSTILE = (
    "", ".", "..", "../x", "a/b", "/etc/passwd", "a\\b", "C:x", "x\0y", "x\ny", "\x1b[2J",
    ".hidden", "x.", "x ", "nul", "CON.tar", "com1.mp4", "a\u202efdp.exe", "x\ud800",
    "x" * (MAX_NAME_BYTES + 1),
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_is_no_plain_file_name_is_refused(name):
    with pytest.raises(ValueError):
        file_name(name)


@pytest.mark.parametrize("name", ["clips-000000.tar", "été 2020.mp4", "-kqAZkf5Odyw.json", "a..b"])
def test_names_of_real_files_pass_unchanged(name):
    assert file_name(name) == name


@given(st.lists(st.text(st.characters(), max_size=12), min_size=1, max_size=3))
def test_whatever_passes_stays_inside_the_folder(names):
    folder = Path("/data/set")
    try:
        path = path_inside(folder, *names)
    except ValueError:
        return
    assert path.relative_to(folder).parts == tuple(names)
    assert ".." not in path.parts


def test_numbers_of_any_length_in_a_name_raise_no_other_error():
    assert parse_shard_name(f"clips-{'9' * 5000}.tar") is None
    with pytest.raises(ValueError, match="clip key"):
        parse_key(f"abc-{'9' * 5000}")
