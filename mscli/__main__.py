"""Where the program starts, as ``mscli`` and as ``python -m mscli``."""

from __future__ import annotations

import os
import sys

from mscli import __version__


def main() -> None:
    """Run the command line and exit with its code. ``--version`` alone is answered before anything is imported."""
    _open_streams()
    if sys.argv[1:] == ["--version"] and _told_version():
        return
    import gc

    from mscli.cli.leaving import at_once, heed

    heed(at_once)
    gc.disable()  # a start makes many objects and drops none; a command that goes on enables it again
    from mscli.cli.main import run

    _leave(run(sys.argv[1:]))


def _told_version() -> bool:
    try:
        print(f"mscli {__version__}", flush=True)  # noqa: T201 (the answer)
    except OSError:  # the program proper knows what is to be said of it
        return False
    return True


def _leave(code: int) -> None:
    """Exit once all is told and tidied. The interpreter would free every module first: a tenth of what a snapshot takes."""
    import atexit

    from mscli.cli.leaving import heed

    heed(lambda _number, _frame: os._exit(code))
    atexit._run_exitfuncs()  # what the interpreter calls
    try:
        sys.stderr.flush()
    finally:  # whoever listened to it may be gone
        os._exit(code)


def _open_streams() -> None:
    """Have a stdout and a stderr even if the caller closed them, so that no other file gets their numbers.

    What is written to a closed stdout fails; what is said on a closed stderr goes nowhere. No character is too strange.
    """
    for fd, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, mode)  # gets the lowest free number, which is this one
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


if __name__ == "__main__":
    main()
