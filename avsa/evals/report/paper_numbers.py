"""The numbers in Tables 1 to 4 of the paper.

"Learning Representations from Audio-Visual Spatial Alignment" (Morgado, Li and Vasconcelos,
NeurIPS 2020). Accuracies are in percent. None: the paper has no number.
"""

from __future__ import annotations

from collections.abc import Mapping

PaperNumbers = Mapping[str, tuple[float | None, ...]]

DATASETS: PaperNumbers = {
    "Duanmu et al.": (12, 0.3),
    "Li et al.": (73, 3.8),
    "Pano2VID": (86, 7.3),
    "SptAudioGen (spatial audio)": (1146, 113),
    "YT-360 (spatial audio)": (5506, 246),
}
"""Table 1: videos, and hours."""

BINARY: PaperNumbers = {
    "AVC no transf.": (79.82, 82.68, 59.48, 59.25),
    "AVC transf.": (None, 83.87, None, 61.20),
    "AVTS no transf.": (80.08, 82.77, 59.78, 60.37),
    "AVTS transf.": (None, 83.77, None, 60.73),
    "AVSA no transf.": (86.19, 91.67, 64.97, 68.87),
    "AVSA transf.": (None, 89.83, None, 69.97),
}
"""Table 2: accuracy of AVC-Bin with 1 and 4 views, and of AVSA-Bin with 1 and 4 views."""

SEGMENTATION: PaperNumbers = {
    "AVC": (71.16, 32.85, 71.07, 32.69, None, None),
    "AVTS": (73.24, 34.88, 72.97, 34.88, None, None),
    "AVSA": (73.44, 35.11, 73.11, 34.63, 73.85, 35.83),
    "AVSA no curriculum": (71.95, 33.66, 71.49, 33.23, 72.06, 34.30),
    "AVSA mlp": (73.10, 35.02, 73.21, 34.83, 72.68, 34.35),
    "Kinetics supervised": (75.47, 36.91, None, None, None, None),
    "End to end": (77.37, 41.05, 77.93, 42.00, 79.65, 43.21),
}
"""Table 3: pixel accuracy and mIoU for video, video and audio, and both with context."""

ACTION: PaperNumbers = {
    "Scratch": (54.85, 59.95, 27.40, 31.10),
    "Kinetics supervised": (78.50, 83.43, 46.45, 51.90),
    "AVC": (64.63, 69.68, 31.33, 34.58),
    "AVTS": (65.65, 70.34, 32.29, 35.89),
    "AVSA": (68.52, 73.80, 32.96, 37.66),
}
"""Table 4: clip@1 and video@1 of UCF101, and of HMDB51."""
