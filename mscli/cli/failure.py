"""The one place where an error becomes a line for people or scripts, and an exit code. Imported when there is one."""

from __future__ import annotations

import errno
import os
import stat

import click

from mscli.cli.exitcodes import ExitCode, code_of, show_error, show_line
from mscli.cli.forgiving import STDOUT
from mscli.core.descriptors import point_nowhere
from mscli.core.errors import ArgumentError, DOMException, OperationError

_OF_STDOUT = (errno.EPIPE, errno.ENOSPC, errno.EBADF, errno.EIO, errno.EFBIG, errno.EDQUOT)


def tell(error: BaseException, arguments: list[str]) -> ExitCode:
    """Print what is to be said of an error; the exit code. A defect is raised again under --debug."""
    as_json = "--json" in arguments
    if isinstance(error, click.Abort):
        return ExitCode.ABANDONED
    if isinstance(error, click.ClickException):
        return _usage(error, as_json=as_json)
    if isinstance(error, DOMException | ArgumentError):
        show_error(error, as_json=as_json)
    elif isinstance(error, OSError) and error.errno in _OF_STDOUT:
        return _stdout_failed(error, as_json=as_json)
    elif not isinstance(error, KeyboardInterrupt):
        _defect(error, arguments)
    return code_of(error)


def _stdout_failed(error: OSError, *, as_json: bool) -> ExitCode:
    """What the program prints cannot be printed: a reader that left is no failure, a full disk is one."""
    left = _reader_left(error)
    point_nowhere(STDOUT)  # for the interpreter's last flush, too
    if left:
        return ExitCode.DONE
    failure = OperationError(f"stdout cannot be written: {os.strerror(error.errno or 0).lower()}")
    show_error(failure, as_json=as_json)
    return code_of(failure)


def _reader_left(error: OSError) -> bool:
    """Whether the other end of stdout is closed: a pipe's, or a terminal, which gives the error of a broken disk then."""
    return isinstance(error, BrokenPipeError) or (error.errno == errno.EIO and stat.S_ISCHR(os.fstat(STDOUT).st_mode))


def _usage(error: click.ClickException, *, as_json: bool) -> ExitCode:
    context = getattr(error, "ctx", None)
    if as_json:
        show_error(ArgumentError(error.format_message()), as_json=True)
    else:
        show_line("usage", error.format_message(), [f"{context.command_path if context else 'mscli'} --help says more"])
    return ExitCode.USAGE


def _defect(error: BaseException, arguments: list[str]) -> None:
    if "--debug" in arguments:
        raise error
    show_line("Defect", f"{type(error).__name__}: {error}", ["this is a fault of mscli; --debug shows where"])
