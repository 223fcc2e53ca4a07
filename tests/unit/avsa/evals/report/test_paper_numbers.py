"""The numbers of the paper, copied a second time in the form of its tables."""

from __future__ import annotations

import pytest

from avsa.evals.report import paper_numbers

TABLE_1 = """
Duanmu et al.               | 12    | 0.3
Li et al.                   | 73    | 3.8
Pano2VID                    | 86    | 7.3
SptAudioGen (spatial audio) | 1,146 | 113
YT-360 (spatial audio)      | 5,506 | 246
"""
TABLE_2 = """
AVC no transf.  | 79.82 | 82.68 | 59.48 | 59.25
AVC transf.     | -     | 83.87 | -     | 61.20
AVTS no transf. | 80.08 | 82.77 | 59.78 | 60.37
AVTS transf.    | -     | 83.77 | -     | 60.73
AVSA no transf. | 86.19 | 91.67 | 64.97 | 68.87
AVSA transf.    | -     | 89.83 | -     | 69.97
"""
TABLE_3 = """
AVC                 | 71.16 / 32.85 | 71.07 / 32.69 | - / -
AVTS                | 73.24 / 34.88 | 72.97 / 34.88 | - / -
AVSA                | 73.44 / 35.11 | 73.11 / 34.63 | 73.85 / 35.83
AVSA no curriculum  | 71.95 / 33.66 | 71.49 / 33.23 | 72.06 / 34.30
AVSA mlp            | 73.10 / 35.02 | 73.21 / 34.83 | 72.68 / 34.35
Kinetics supervised | 75.47 / 36.91 | - / -         | - / -
End to end          | 77.37 / 41.05 | 77.93 / 42.00 | 79.65 / 43.21
"""
TABLE_4 = """
Scratch             | 54.85 / 59.95 | 27.40 / 31.10
Kinetics supervised | 78.50 / 83.43 | 46.45 / 51.90
AVC                 | 64.63 / 69.68 | 31.33 / 34.58
AVTS                | 65.65 / 70.34 | 32.29 / 35.89
AVSA                | 68.52 / 73.80 | 32.96 / 37.66
"""


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        (paper_numbers.DATASETS, TABLE_1),
        (paper_numbers.BINARY, TABLE_2),
        (paper_numbers.SEGMENTATION, TABLE_3),
        (paper_numbers.ACTION, TABLE_4),
    ],
)
def test_numbers_are_those_of_the_paper(numbers, text):
    rows = [line.replace("/", "|").split("|") for line in text.strip().splitlines()]
    assert numbers == {
        label.strip(): tuple(_number(each) for each in numbers) for label, *numbers in rows
    }


def _number(text: str) -> float | None:
    return None if text.strip() == "-" else float(text.replace(",", ""))
