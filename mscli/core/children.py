"""Start a process of our own that talks through its stdin and stdout."""

from __future__ import annotations

import subprocess
import sys


def start_child(script: str) -> subprocess.Popen[bytes]:
    """Start a Python script as a process with unbuffered pipes for stdin and stdout. Raises OSError.

    Ctrl-C does not reach it: its parent ends it.
    """
    return subprocess.Popen(
        [sys.executable, "-P", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        process_group=0,
    )
