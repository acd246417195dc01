"""The log on stderr, for ``--debug`` or MSCLI_LOG=debug, info or warning. Imported only if requested.

A line has the time on CLOCK_MONOTONIC, as in events and in the kernel's log (``dmesg``), the logger's name, the level and the
text. With --json it is a JSON object. A stalled reader blocks nothing: lines that do not fit are dropped and counted.
"""

from __future__ import annotations

import logging
import os
import platform
import sys

from mscli import __version__
from mscli.cli.forgiving import STDERR
from mscli.cli.printable import json_text, printable
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.descriptors import takes_more
from mscli.core.log import ROOT, Log

VARIABLE = "MSCLI_LOG"
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}

_MOST_BYTES = 4000  # of a line: a pipe that is ready takes this much at once
_CLEAR = b"\r\x1b[K"  # a terminal may show a status line, which is redrawn below

_ROOM = f"{ROOT}.cli"  # the logger of this module's own lines

_log = Log("cli")


def listen(arguments: list[str]) -> None:
    """Show the log from now on if the flag or the variable asks for it. Warn about an invalid level."""
    asked = "debug" if "--debug" in arguments else os.environ.get(VARIABLE, "").lower()
    handler = _Stderr(as_json="--json" in arguments)
    if asked in LEVELS:
        logger = logging.getLogger(ROOT)
        logger.addHandler(handler)
        logger.setLevel(LEVELS[asked])
        _log.info("mscli %s, Python %s, %s", __version__, platform.python_version(), platform.platform())
    elif not {"-q", "--quiet"}.intersection(arguments):
        handler.print_warning(f"{VARIABLE} is “{asked}”, not one of {', '.join(LEVELS)}; logging nothing")


class _Stderr(logging.Handler):
    """A handler that writes each record to stderr with one system call, bypassing Python's buffer and its lock."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json
        self._dropped = 0  # lines that stderr did not accept
        terminal = os.isatty(STDERR) and os.environ.get("TERM", "dumb") != "dumb"
        self._before = _CLEAR if terminal and not as_json else b""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, preceded by a line about dropped records if there were any."""
        try:
            if not takes_more(STDERR):
                self._dropped += 1
                return
            dropped, self._dropped = self._dropped, 0
            if dropped:
                self._write(_ROOM, "warning", f"{dropped} line(s) of the log dropped: the reader of stderr is too slow")
            self._write(record.name, record.levelname.lower(), record.getMessage())
        except OSError:
            pass  # the reader is gone, or the disk is full
        except Exception:
            self.handleError(record)

    def print_warning(self, sentence: str) -> None:
        """Print a warning that is not part of the log."""
        if self._as_json:
            self._write(_ROOM, "warning", sentence)
        else:
            from mscli.cli.say import warning_line

            print(warning_line(sentence), file=sys.stderr)  # noqa: T201

    def _write(self, logger: str, level: str, text: str) -> None:
        line = self._line(logger, level, text)
        while len(line) > _MOST_BYTES:
            text = text[: len(text) // 2]
            line = self._line(logger, level, f"{text} …")
        os.write(STDERR, line)

    def _line(self, logger: str, level: str, text: str) -> bytes:
        time_s = now_us() / MICROSECONDS
        if self._as_json:
            line = json_text({"log": text, "logger": logger, "level": level, "time": time_s})
        else:
            line = f"[{time_s:13.6f}] {logger} {level}: {printable(text)}"
        return self._before + line.encode(errors="backslashreplace") + b"\n"
