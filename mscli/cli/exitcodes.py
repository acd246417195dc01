"""Exit codes, and the error line that a failing command prints for people or scripts."""

from __future__ import annotations

import enum
import sys
from typing import Any

from mscli.cli.forgiving import STDERR, forgiving_stderr
from mscli.cli.printable import json_text, printable
from mscli.cli.style import styled
from mscli.core.descriptors import takes_more
from mscli.core.errors import (
    AbortError,
    ArgumentError,
    DOMException,
    InvalidStateError,
    NotAllowedError,
    NotFoundError,
    NotReadableError,
    NotSupportedError,
    OperationError,
    OverconstrainedError,
    SecurityError,
    SourceFailedError,
)
from mscli.core.limits import ASLEEP_S


class ExitCode(enum.IntEnum):
    """The exit status of a command."""

    DONE = 0
    DEFECT = 1
    USAGE = 2
    NOT_FOUND = 3
    NOT_ALLOWED = 4
    NOT_READABLE = 5
    OVERCONSTRAINED = 6
    NOT_SUPPORTED = 7
    SOURCE_ENDED = 8
    OUTPUT_FAILED = 9
    LOSS = 10
    ABANDONED = 130


MEANINGS: dict[ExitCode, str] = {
    ExitCode.DONE: "done; also after SIGINT, SIGTERM or SIGHUP, with the output finished, and when the reader of a pipe leaves",
    ExitCode.DEFECT: "a bug in mscli; --debug shows the traceback",
    ExitCode.USAGE: "a mistake in the command line, or TypeError: malformed constraints",
    ExitCode.NOT_FOUND: "NotFoundError: no such device",
    ExitCode.NOT_ALLOWED: "NotAllowedError, SecurityError: permission denied",
    ExitCode.NOT_READABLE: "NotReadableError: the device is busy, or its driver or hardware failed",
    ExitCode.OVERCONSTRAINED: "OverconstrainedError: no device satisfies the constraints",
    ExitCode.NOT_SUPPORTED: "NotSupportedError, InvalidStateError: codec, container or format not available",
    ExitCode.SOURCE_ENDED: "the source ended before the requested end; the output is complete up to there",
    ExitCode.OUTPUT_FAILED: "the output failed: disk full, write error, or no server; what was written before is readable",
    ExitCode.LOSS: "with --strict: frames or samples were dropped, lost, black or silent, or a constraint is unknown",
    ExitCode.ABANDONED: "interrupted before there was anything to keep, or by a second SIGINT",
}


class UnknownConstraintError(ArgumentError):
    """A constraint name that no property has, with --strict."""


_CODES: tuple[tuple[type[BaseException], ExitCode], ...] = (
    (UnknownConstraintError, ExitCode.LOSS),
    (ArgumentError, ExitCode.USAGE),
    (NotFoundError, ExitCode.NOT_FOUND),
    (NotAllowedError, ExitCode.NOT_ALLOWED),
    (SecurityError, ExitCode.NOT_ALLOWED),
    (SourceFailedError, ExitCode.SOURCE_ENDED),
    (NotReadableError, ExitCode.NOT_READABLE),
    (AbortError, ExitCode.NOT_READABLE),
    (OverconstrainedError, ExitCode.OVERCONSTRAINED),
    (NotSupportedError, ExitCode.NOT_SUPPORTED),
    (InvalidStateError, ExitCode.NOT_SUPPORTED),
    (OperationError, ExitCode.OUTPUT_FAILED),
    (BrokenPipeError, ExitCode.DONE),
    (KeyboardInterrupt, ExitCode.ABANDONED),
)


# Errors of these codes show people the standard's name.
_NAMED = (
    ExitCode.NOT_FOUND, ExitCode.NOT_ALLOWED, ExitCode.NOT_READABLE, ExitCode.OVERCONSTRAINED, ExitCode.SOURCE_ENDED,
)  # fmt: skip


def code_of(error: BaseException) -> ExitCode:
    """Return the exit code for an error. An error without a row is a defect."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.DEFECT)


def show_error(error: DOMException | ArgumentError, *, as_json: bool) -> None:
    """Print an error to stderr as one JSON object, or as one line for people with a line per hint."""
    if as_json:
        show_json(error.to_json())
        return
    show_line(str(error), [*_answers(error), *error.hints], error.name if code_of(error) in _NAMED else "")


def show_json(error: dict[str, Any]) -> None:
    """Print an error to stderr as one JSON object."""
    _say(json_text({"error": error}, sys.stderr))


def show_line(sentence: str, hints: list[str], name: str = "") -> None:
    """Print ``mscli: error: sentence (NAME)`` to stderr, with the hints below it. ``name``: the standard's, or ""."""
    label = styled("error:", "bold red", sys.stderr)
    behind = f" {styled(f'({name})', 'dim', sys.stderr)}" if name else ""
    lines = [f"mscli: {label} {_one_line(sentence)}{behind}", *(f"  {_one_line(hint)}" for hint in hints)]
    _say("\n".join(lines))  # a single write, so that lines of two processes do not mix


def _say(text: str) -> None:
    with forgiving_stderr():  # stderr may be full, or its reader gone or asleep; the exit code remains
        if takes_more(STDERR, ASLEEP_S):
            print(text, file=sys.stderr)  # noqa: T201


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))


def _answers(error: DOMException | ArgumentError) -> list[str]:
    if not isinstance(error, OverconstrainedError) or not error.nearest:
        return []
    from mscli.core.controls import is_control
    from mscli.core.selection import describe_settings

    if all(map(is_control, error.conflict)):  # the hints say what controls can be set to
        return []

    whose = f", from “{error.nearest_label}”" if error.nearest_label else ""
    return [f"closest that works: {describe_settings(error.nearest, exact=True)}{whose}"]
