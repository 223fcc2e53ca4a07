"""Tables of records as texts, and confusion matrices."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from avsa.evals.report.grids import MAX_ROWS, MOST_CONFUSED, grid


def test_long_tables_say_how_much_is_left_out():
    found = grid("classes", [{"class": str(n), "iou": n / 7} for n in range(MAX_ROWS + 5)])
    assert (len(found.rows), found.left_out, found.rows[1]) == (MAX_ROWS, 5, ("1", "0.1429"))


def test_shades_of_a_matrix_are_shares_of_its_rows():
    rows = [{"target": "a", "a": 3, "b": 1}, {"target": "b", "a": 0, "b": 0}]
    found = grid("confusion", rows)
    assert found.shades == ((0.0, 0.75, 0.25), (0.0, 0.0, 0.0))
    assert found.rows[0] == ("a", "3", "1") and not found.picture


def test_pairs_give_a_picture_and_the_most_frequent_confusions():
    pairs = (("b", "b", 6), ("b", "a", 2), ("a", "b", 5))
    rows = [dict(zip(("class", "predicted", "videos"), pair, strict=True)) for pair in pairs]
    found = grid("confusion", rows)
    assert found.rows == (("a", "b", "5"), ("b", "a", "2"))
    content = base64.b64decode(found.picture.partition(",")[2])
    pixels = np.asarray(Image.open(io.BytesIO(content))).sum(-1)
    middle = pixels[len(pixels) // 4 :: len(pixels) // 2, len(pixels) // 4 :: len(pixels) // 2]
    assert middle.argsort(None).tolist() == [0, 2, 3, 1]  # shares 0, 1/4, 3/4 and 1


def test_many_confusions_are_cut():
    rows = [{"class": "a", "predicted": f"{n}", "videos": n} for n in range(1, MOST_CONFUSED + 4)]
    found = grid("confusion", rows)
    assert len(found.rows) == MOST_CONFUSED and found.left_out == 3
    assert not grid("confusion", []).picture
    strange = [{"class": None, "predicted": True, "videos": "x"}, {"predicted": 10**400}]
    assert grid("confusion", strange).columns == ("class", "predicted", "count")
