"""What large pictures took goes back to the system, whichever threads saw them."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

KEPT = """
import sys, threading
import numpy as np
from ui.serving_memory import give_memory_back
if sys.argv[1] == "back":
    give_memory_back()

def resident():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

def see_a_picture():
    first = np.ones(30 * 2**20, np.uint8)  # freed, it teaches glibc to keep arrays of this size in its heaps
    del first
    large, small = [], []
    for _ in range(8):
        large.append(np.ones(2 * 2**20, np.uint8))
        small.append(np.ones(2**16, np.uint8))  # what stays of each picture, between the large arrays
    kept.append(small)

kept, before = [], resident()
for _ in range(8):
    thread = threading.Thread(target=see_a_picture)
    thread.start()
    thread.join()
print(resident() - before - 8 * 8 / 16)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another system's allocator")
def test_large_arrays_go_back(project_root: Path) -> None:
    def megabytes(how: str) -> float:
        return float(subprocess.check_output([sys.executable, "-c", KEPT, how], cwd=project_root, text=True))

    back = megabytes("back")
    assert back < 10
    assert megabytes("kept") > back
