"""Prints what a program finds at its start, as JSON: for the test of programs that are forked (test_starts.py)."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import threading
from typing import TextIO


def state() -> dict[str, object]:
    """Return what may differ between two programs that were started alike."""
    with open("/proc/self/status") as file:
        masks = dict(line.split() for line in file if line.startswith(("SigBlk", "SigIgn", "SigCgt")))
    return {
        "arguments": sys.argv[1:],
        "name": __name__,
        "folder": os.getcwd(),
        "path": sys.path,
        "environment": dict(os.environ),
        "descriptors": sorted(os.listdir("/proc/self/fd")),
        "masks": masks,
        "interrupt": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
        "parent": os.getppid(),
        "session": os.getsid(0),
        "group": os.getpgid(0),
        "threads": threading.active_count(),
        "tasks": len(os.listdir("/proc/self/task")),
        "streams": [
            (stream.fileno(), stream.encoding, stream.errors, getattr(stream, "line_buffering", None)) for stream in standard()
        ],
        "collects": gc.isenabled(),
        "stdin": sys.stdin.read(),
    }


def standard() -> tuple[TextIO, ...]:
    """Return the three streams of the program."""
    return sys.stdin, sys.stdout, sys.stderr


if __name__ == "__main__":
    print(json.dumps(state()))
    print("an error", file=sys.stderr)
    sys.exit(3)
