"""Options of x264 with which its output depends on the frames and the settings alone.

By default, x264 chooses code for the processor whose results differ. Moreover, its macroblock tree
(``mbtree``), which distributes quality over a frame, takes eight macroblocks at a time with AVX-512
and does not stop at the end of a row. Unless the width is a multiple of 128 pixels, it reads what
the memory behind the last row held before, and the last macroblock of some frames can get a quality
of its own. ``cpu-independent`` selects code with one result, which stops at the end of a row.
"""

from __future__ import annotations

REPRODUCIBLE = {"threads": "1", "x264-params": "cpu-independent=1"}
"""Options for FFmpeg and PyAV. With more threads, the output would depend on their number."""
