"""Exit codes, and the line that people or scripts read when a command fails."""

from __future__ import annotations

import enum
import sys

from mscli.cli.forgiving import forgiving_stderr
from mscli.cli.printable import json_text, printable
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
)


class ExitCode(enum.IntEnum):
    """What a command's exit status means."""

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
    ExitCode.DONE: "done; also when the reader of a pipe left, and after SIGINT, SIGTERM or SIGHUP, the output finished",
    ExitCode.DEFECT: "a defect of the program; --debug shows the traceback",
    ExitCode.USAGE: "usage, or TypeError: malformed constraints",
    ExitCode.NOT_FOUND: "NotFoundError: no such device",
    ExitCode.NOT_ALLOWED: "NotAllowedError, SecurityError: permissions",
    ExitCode.NOT_READABLE: "NotReadableError: the device is busy, or driver or hardware failed",
    ExitCode.OVERCONSTRAINED: "OverconstrainedError: no device satisfies the constraints",
    ExitCode.NOT_SUPPORTED: "NotSupportedError, InvalidStateError: codec, container, format",
    ExitCode.SOURCE_ENDED: "the source ended before the requested end; the output is complete up to there",
    ExitCode.OUTPUT_FAILED: "the output failed: disk full, write error; what could be kept is readable",
    ExitCode.LOSS: "with --strict: frames or samples were dropped, lost, black or silent, or a constraint name is unknown",
    ExitCode.ABANDONED: "a second SIGINT: abandoned at once, or interrupted before there was anything to keep",
}


class UnknownConstraintError(ArgumentError):
    """With --strict: a constraint name that no property has."""


_CODES: tuple[tuple[type[BaseException], ExitCode], ...] = (
    (UnknownConstraintError, ExitCode.LOSS),
    (ArgumentError, ExitCode.USAGE),
    (NotFoundError, ExitCode.NOT_FOUND),
    (NotAllowedError, ExitCode.NOT_ALLOWED),
    (SecurityError, ExitCode.NOT_ALLOWED),
    (NotReadableError, ExitCode.NOT_READABLE),
    (AbortError, ExitCode.NOT_READABLE),
    (OverconstrainedError, ExitCode.OVERCONSTRAINED),
    (NotSupportedError, ExitCode.NOT_SUPPORTED),
    (InvalidStateError, ExitCode.NOT_SUPPORTED),
    (OperationError, ExitCode.OUTPUT_FAILED),
    (BrokenPipeError, ExitCode.DONE),
    (KeyboardInterrupt, ExitCode.ABANDONED),
)


def code_of(error: BaseException) -> ExitCode:
    """The exit code for an error; what no row names is a defect."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.DEFECT)


def show_error(error: DOMException | ArgumentError, *, as_json: bool) -> None:
    """Print one line for the error and, for people, a line for each hint. To stderr."""
    if as_json:
        _say(json_text({"error": error.to_json()}, sys.stderr))
        return
    show_line(error.name, str(error), [*_answers(error), *error.hints])


def show_line(name: str, sentence: str, hints: list[str]) -> None:
    """Print ``mscli: NAME: sentence`` and the hints below it, to stderr."""
    lines = [f"mscli: {name}: {_one_line(sentence)}", *(f"  {_one_line(hint)}" for hint in hints)]
    _say("\n".join(lines))  # one write, so that lines of two processes do not mix


def _say(text: str) -> None:
    with forgiving_stderr():  # stderr may be full, or its reader may have left: the exit code tells
        print(text, file=sys.stderr)  # noqa: T201


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))


def _answers(error: DOMException | ArgumentError) -> list[str]:
    if not isinstance(error, OverconstrainedError) or not error.nearest:
        return []
    from mscli.core.selection import describe_settings

    return [f"the closest that works: {describe_settings(error.nearest)}"]
