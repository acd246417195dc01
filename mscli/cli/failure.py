"""The one place that turns an error into a line for people or scripts and an exit code. Imported only if there is an error."""

from __future__ import annotations

import errno
import os
import re
import stat

import click

from mscli.cli.exitcodes import ExitCode, code_of, show_error, show_json, show_line
from mscli.cli.forgiving import STDOUT
from mscli.core.descriptors import point_nowhere
from mscli.core.errors import ArgumentError, DOMException, OperationError
from mscli.core.threads import REMEDY

_THREADS = ("threads", REMEDY)
_NO_ROOM = "failed to map segment|annot allocate memory|an't allocate"  # say the loader and the interpreter
_MEMORY = ("memory", "end other programs, or raise ulimit -v")
_NEAR_BYTES = 32 << 20  # what a library or the stack of a thread takes at once
_DESCRIPTORS = ("file descriptors", "raise ulimit -n")
_LACKING = {  # error number → the resource that has run out, and the remedy
    errno.ENOMEM: _MEMORY,
    errno.EAGAIN: _THREADS,
    errno.EMFILE: _DESCRIPTORS,
    errno.ENFILE: ("file descriptors", "end other programs"),
}
_FULL = (errno.EMFILE, errno.ENFILE)  # whatever could not be opened, it is not to blame
_FORESEEN = (DOMException, ArgumentError, OSError, click.ClickException, click.Abort, KeyboardInterrupt)
_OF_STDOUT = (errno.EPIPE, errno.ENOSPC, errno.EBADF, errno.EIO, errno.EFBIG, errno.EDQUOT)


def report_error(error: BaseException, arguments: list[str]) -> ExitCode:
    """Print an error and return the exit code. With --debug, a defect is raised again."""
    as_json = "--json" in arguments
    error = lack(error) or error
    if isinstance(error, click.Abort):
        return ExitCode.ABANDONED
    if isinstance(error, click.ClickException):
        return _usage(error, arguments, as_json=as_json)
    if isinstance(error, DOMException | ArgumentError):
        show_error(error, as_json=as_json)
    elif isinstance(error, OSError) and error.errno in _OF_STDOUT:
        return _stdout_failed(error, as_json=as_json)
    elif not isinstance(error, KeyboardInterrupt):
        return _defect(error, arguments, as_json=as_json)
    return code_of(error)


def lack(error: BaseException) -> OperationError | None:
    """Return an error that names the resource that has run out (threads, memory, descriptors), or None for other errors.

    An unforeseen error counts as the one that was handled when it was raised: what is half open does not always close.
    """
    found = _lacking(error)
    if found is None and error.__context__ is not None and not isinstance(error, _FORESEEN):
        return lack(error.__context__)
    return None if found is None else OperationError(f"out of {found[0]}", hints=[found[1]])


def _lacking(error: BaseException) -> tuple[str, str] | None:
    """Return the resource that this error says has run out, and the remedy."""
    if isinstance(error, MemoryError) or (isinstance(error, ImportError | RuntimeError) and re.search(_NO_ROOM, str(error))):
        return _MEMORY
    if isinstance(error, SystemError) and _at_the_memory_limit():  # extension modules fail so if they do not check
        return _MEMORY
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return _THREADS
    if isinstance(error, ImportError) and os.strerror(errno.EMFILE) in str(error):
        return _DESCRIPTORS
    if isinstance(error, DOMException) and isinstance(error.__cause__, OSError) and error.__cause__.errno in _FULL:
        return _LACKING[error.__cause__.errno]
    return _LACKING.get(error.errno or 0) if isinstance(error, OSError) else None


def _at_the_memory_limit() -> bool:
    """Return whether the process has come near the limit of its address space (``ulimit -v``)."""
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/status", encoding="ascii") as status:
        peak = next(int(line.split()[1]) << 10 for line in status if line.startswith("VmPeak"))
    return limit != resource.RLIM_INFINITY and peak + _NEAR_BYTES > limit


def _stdout_failed(error: OSError, *, as_json: bool) -> ExitCode:
    """Handle a failure to write stdout: a reader that left is a normal end, a full disk is an error."""
    left = _reader_left(error)
    point_nowhere(STDOUT)  # also for the interpreter's final flush
    if left:
        return ExitCode.DONE
    failure = OperationError(f"cannot write stdout: {os.strerror(error.errno or 0).lower()}")
    show_error(failure, as_json=as_json)
    return code_of(failure)


def _reader_left(error: OSError) -> bool:
    """Return whether the other end of stdout is closed: a pipe, or a terminal, which then reports an I/O error."""
    return isinstance(error, BrokenPipeError) or (error.errno == errno.EIO and stat.S_ISCHR(os.fstat(STDOUT).st_mode))


def _usage(error: click.ClickException, arguments: list[str], *, as_json: bool) -> ExitCode:
    from mscli.cli.usage import usage_hint, usage_sentence

    sentence = usage_sentence(error)
    if as_json:
        show_error(ArgumentError(sentence), as_json=True)
    else:
        show_line(sentence, [usage_hint(error, arguments)])
    return ExitCode.USAGE


def _defect(error: BaseException, arguments: list[str], *, as_json: bool) -> ExitCode:
    sentence, hint = f"internal error: {type(error).__name__}: {error}", "this is a bug in mscli; --debug shows the traceback"
    if as_json:
        where = {"traceback": _traceback(error)} if "--debug" in arguments else {}
        show_json({"name": "Defect", "message": sentence, "hints": [hint], **where})
    elif "--debug" in arguments:
        raise error
    else:
        show_line(sentence, [hint])
    return ExitCode.DEFECT


def _traceback(error: BaseException) -> list[str]:
    import traceback

    return traceback.format_exception(error)
