"""Conversions by buffers give what Arrow's own conversions give, without pandas."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from helpers.paths import REPOSITORY

from yt360.shards.format.arrow_values import array_of, numbers_of, scalar_of

NUMBERS = [3, -1, 2**24, 0, 7]
KINDS = [pa.int32(), pa.int64(), pa.float32(), pa.float64()]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_numbers_are_those_of_the_column(kind):
    array = pa.array(NUMBERS, kind)
    for column in (
        array,
        array[1:4],
        array[:0],
        pa.chunked_array([array]),
        pa.chunked_array([array[2:], array[:0], array[:2]]),
        pa.chunked_array([], kind),
    ):
        expected = np.array(column.to_pylist(), kind.to_pandas_dtype())
        assert np.array_equal(numbers_of(column), expected)
        assert numbers_of(column).dtype == expected.dtype


def test_an_empty_value_is_no_number():
    with pytest.raises(ValueError, match="1 of 2"):
        numbers_of(pa.array([1, None]))


@pytest.mark.parametrize(
    ("values", "kind"),
    [*((NUMBERS, kind) for kind in KINDS), ([], pa.int64())]
    + [(texts, pa.string()) for texts in (["a", "", "東京", "a"], [])],
    ids=str,
)
def test_an_array_is_that_of_arrow(values, kind):
    array = array_of(values, kind)
    array.validate(full=True)
    assert array.equals(pa.array(values, kind))


def test_a_scalar_is_that_of_arrow():
    assert scalar_of("東京").equals(pa.scalar("東京"))


def test_counting_and_indexing_do_not_import_pandas(tmp_path):
    (tmp_path / "pandas.py").write_text("import pathlib; pathlib.Path(__file__ + '.used').touch()")
    dataset = shutil.copytree(REPOSITORY / "shards", tmp_path / "dataset")
    (dataset / "train" / "index.parquet").unlink()
    paths = os.pathsep.join([str(tmp_path), str(REPOSITORY)])
    for command in ("index", "stats"):
        subprocess.run(
            [sys.executable, "-m", "yt360", command, str(dataset)],
            env={**os.environ, "PYTHONPATH": paths}, check=True, capture_output=True,
        )  # fmt: skip
        assert not (tmp_path / "pandas.py.used").exists()
