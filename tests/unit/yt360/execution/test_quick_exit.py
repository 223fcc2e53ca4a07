from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import atexit, sys, threading, time
from yt360.execution.quick_exit import quick_exit

class Library:
    def __del__(self):
        print("destructor")

library = Library()

def work():
    time.sleep(0.05)
    print("thread")

with quick_exit(lambda: sys.argv[1] == "wanted"):
    atexit.register(print, "registered")
    threading.Thread(target=work).start()
    sys.stderr.write("error")
    ENDING
"""


def ended(ending: str, wanted: str) -> subprocess.CompletedProcess[str]:
    program = PROGRAM.replace("ENDING", ending)
    return subprocess.run([sys.executable, "-c", program, wanted], capture_output=True, text=True)


@pytest.mark.parametrize("code", [0, 3])
def test_a_quick_end_leaves_out_destructors_alone(code):
    quick, usual = (ended(f"sys.exit({code})", wanted) for wanted in ("wanted", "usual"))
    assert quick.stdout.split() == ["thread", "registered"]
    assert usual.stdout.split() == ["thread", "registered", "destructor"]
    assert quick.returncode == usual.returncode == code
    assert quick.stderr == usual.stderr == "error"


@pytest.mark.parametrize("ending", ["pass", "sys.exit('text')", "raise ValueError"])
def test_what_ends_without_a_number_ends_as_usual(ending):
    done = ended(ending, "wanted")
    assert done.stdout.split() == ["thread", "registered", "destructor"]
    assert done.returncode == (0 if ending == "pass" else 1)
