"""Benchmarks: this package and other ways to do the same work, as ratios.

    python tools/bench.py
    python tools/bench.py load spectrogram --runs 30
    python tools/bench.py --json now.json --compare kept.json

See docs/speed.md, and `benchmarks.areas` for how to add a case.
"""

import sys
from pathlib import Path

# The repository: its packages need not be installed.
sys.path.insert(1, str(Path(__file__).parents[1]))

from benchmarks.command import main

if __name__ == "__main__":
    main()
