"""The entry point of the program, for ``mscli`` and ``python -m mscli``."""

from __future__ import annotations

import errno
import os
import sys

from mscli import __version__

_NO_DESCRIPTORS = (9, b"mscli: error: out of file descriptors\n  raise ulimit -n\n")  # said without another import


def main() -> None:
    """Run the command line and exit with its code, also if no descriptor is left to load what reports errors."""
    try:
        _run()
    except (OSError, ImportError) as error:
        if os.strerror(errno.EMFILE) not in str(error):
            raise
        code, line = _NO_DESCRIPTORS
        try:
            os.write(2, line)
        finally:  # the reader of stderr may be gone
            os._exit(code)


def _run() -> None:
    """Run the command line. The version and most help pages are printed before any other import."""
    _open_streams()
    answer = _ready_answer(sys.argv[1:])
    if answer is not None and _print(answer):
        return
    import gc

    from mscli.cli.leaving import at_once, count_triggers, handle

    handle(at_once)
    count_triggers(sys.argv[1:])
    gc.disable()  # a start creates many objects and frees none; long-running commands enable it again
    from mscli.cli.main import run

    _leave(run(sys.argv[1:]))


def _ready_answer(arguments: list[str]) -> str | None:
    """Return the answer to a command line that asks for the version or a help page, or None if there is none at hand."""
    if arguments in (["--version"], ["-V"]):
        return f"mscli {__version__}"
    if not {"-h", "--help", "help"}.intersection(arguments):
        return None
    from mscli.cli.helptexts import stored_page

    return stored_page(arguments)


def _print(answer: str) -> bool:
    try:
        print(answer, flush=True)  # noqa: T201 (the answer)
    except OSError:  # the full program reports the error
        return False
    return True


def _leave(code: int) -> None:
    """Exit once everything is written and closed, without freeing the modules, which takes 10 % of a snapshot's time."""
    import atexit

    from mscli.cli.leaving import handle

    handle(lambda _number, _frame: os._exit(code))
    atexit._run_exitfuncs()  # as the interpreter does
    try:
        sys.stderr.flush()
    finally:  # the reader of stderr may be gone
        os._exit(code)


def _open_streams() -> None:
    """Open stdout and stderr if the caller closed them, so that no other file gets their descriptors.

    Writing to a closed stdout fails. Output to a closed stderr is discarded. Unencodable characters are escaped.
    """
    for fd, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, mode)  # this gets the lowest free descriptor, which is fd
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


if __name__ == "__main__":
    main()
