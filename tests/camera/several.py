"""Run several commands in one process, so that a test of many streams starts the program once.

    python several.py FOLDER      # stdin: a JSON list of lists of arguments; FOLDER gets N.stdout and N.stderr for each

Print the exit codes as a JSON list.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mscli.cli.main import run


def main(folder: Path) -> None:
    """Run what stdin asks for."""
    commands = json.load(sys.stdin)
    faulthandler.enable(os.dup(sys.stderr.fileno()))  # not into the stderr of a command
    print(json.dumps([run_apart(arguments, folder / str(number)) for number, arguments in enumerate(commands)]))


def run_apart(arguments: Sequence[str], path: Path) -> int:
    """Run one command with a stdout and a stderr of its own. Return its exit code."""
    kept = {stream: os.dup(stream.fileno()) for stream in (sys.stdout, sys.stderr)}
    for stream, suffix in zip(kept, (".stdout", ".stderr"), strict=True):
        with path.with_suffix(suffix).open("wb") as file:
            os.dup2(file.fileno(), stream.fileno())
    try:
        return run(list(arguments))
    finally:
        for stream, fd in kept.items():
            stream.flush()
            os.dup2(fd, stream.fileno())
            os.close(fd)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
