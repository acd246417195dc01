"""Messages for people during a command, and the status line below them. Both go to stderr."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock

from mscli.cli.forgiving import STDERR, forgiving_stderr
from mscli.cli.printable import json_text, printable
from mscli.cli.shared import Shared
from mscli.cli.style import is_smart, styled
from mscli.core.descriptors import takes_more
from mscli.core.limits import SLEEPS_S

_MOST_WAITING = 1000  # pieces that the reader has not taken; the oldest are dropped
_MOST_WARNINGS = 20  # the most unknown names that get a warning each
_PIECE = 1000  # characters: a pipe that has any room accepts this many
_USUAL_COLUMNS = 80  # of a terminal that does not report its size

# Control sequences, https://invisible-island.net/xterm/ctlseqs/ctlseqs.html. A line is cut at the margin while it is drawn,
# because the terminal may just have become narrower.
_CUT, _WRAP, _CLEAR, _CLEAR_BELOW = "\x1b[?7l", "\x1b[?7h", "\r\x1b[K", "\r\x1b[J"


class Voice:
    """A printer of lines for people, with a status line below them on a terminal. With --json it prints warnings and facts.

    With --quiet it prints nothing for people. ``holds_up``: whether callers wait for a stalled reader of stderr. If not, lines
    are kept for the reader until ``close``, and the program continues.
    """

    def __init__(self, shared: Shared, *, holds_up: bool = True) -> None:
        self._timeout_s = None if holds_up else 0.0
        self._waiting: deque[str] = deque(maxlen=_MOST_WAITING)
        self._turn = Lock()  # held to write, so that lines stay whole
        self._quiet = shared.quiet
        self._as_json = shared.json
        self._talks = not (shared.quiet or shared.json)
        self._verbose = shared.verbose
        self._last_words = ""  # a line that waits for the next one: see ``end_with``
        self._status = ""  # the status line
        self._drawn = 0  # its cells on the terminal, 0 if it is not there
        self._screen: tuple[Callable[[str, int], object], Callable[[str], object]] | None = None  # see ``hold``

    @property
    def live(self) -> bool:
        """Return whether there may be a status line."""
        return self._talks and is_smart(sys.stderr)

    @property
    def columns(self) -> int:
        """Return the width of the terminal."""
        try:
            return os.get_terminal_size(STDERR).columns or _USUAL_COLUMNS
        except OSError:
            return _USUAL_COLUMNS

    def info(self, text: str) -> None:
        """Print what was done."""
        if self._talks:
            self._say(printable(text))

    def fact(self, name: str, value: str, text: str) -> None:
        """Print what people and programs have to know: a text, or with --json a member with this name, even with --quiet."""
        if self._as_json:
            self.data(json_text({name: value}, sys.stderr))
        else:
            self.info(text)

    def end_with(self, text: str) -> None:
        """Print what was done before the next line, or at the end, unless the error that ends the command says the same."""
        self._last_words = text

    def leave_out(self, said: str) -> None:
        """Do not print what ``end_with`` has taken if this text has it."""
        self._last_words = "" if self._last_words in said else self._last_words

    def detail(self, text: str) -> None:
        """Print more, with --verbose."""
        if self._talks and self._verbose:
            self._say(styled(printable(text), "dim", sys.stderr))

    def warn(self, text: str) -> None:
        """Print a warning."""
        if not self._quiet:
            if self._as_json:
                self.data(json_text({"warning": text}, sys.stderr))
            else:
                self._say(warning_line(text))

    def data(self, text: str) -> None:
        """Print a line for programs, whatever the options for people."""
        self._say(text)

    def show_status(self, text: str, cells: int) -> None:
        """Draw the status line in place of the previous one. ``cells``: its width. An empty text removes it."""
        if self._screen is not None:
            self._screen[0](text, cells)
            return
        if text == self._status and bool(text) == bool(self._drawn):
            return
        self._status = text
        with self._turn, forgiving_stderr():
            if not self._waiting and takes_more(STDERR, 0.0):
                sys.stderr.write(f"{self._erasure()}{self._drawing(cells)}")
                sys.stderr.flush()

    def hold(self, show_status: Callable[[str, int], object], show_message: Callable[[str], object]) -> None:
        """Print nothing, because something else covers the terminal. Pass the status line and messages on to it."""
        self.show_status("", 0)
        self._screen = show_status, show_message

    def release(self) -> None:
        """Print what was held back, and go on printing."""
        if self._screen is not None:
            self._screen = None
            self._write("", self._timeout_s)

    def close(self) -> None:
        """Give the reader a last chance to take waiting lines."""
        self._say_last_words()
        self._write("", SLEEPS_S)

    def _say_last_words(self) -> None:
        words, self._last_words = self._last_words, ""
        if words:
            self.info(words)

    def _say(self, line: str) -> None:
        self._say_last_words()
        self._write(f"{line}\n", self._timeout_s)

    def _write(self, text: str, timeout_s: float | None) -> None:
        """Write waiting lines and the text, as far as stderr accepts them in time. None: without a limit."""
        with self._turn, forgiving_stderr():  # a full disk or a reader that left is no reason to end a recording
            cells = self._drawn
            self._keep(f"{self._erasure()}{text}" if text else "")
            if self._screen is not None:
                self._screen[1](text)
                return
            while self._waiting and takes_more(STDERR, timeout_s):
                sys.stderr.write(self._waiting.popleft())
                if not self._waiting:
                    sys.stderr.write(self._drawing(cells) if text else "")
                sys.stderr.flush()

    def _keep(self, text: str) -> None:
        self._waiting.extend(text[at : at + _PIECE] for at in range(0, len(text), _PIECE))

    def _drawing(self, cells: int) -> str:
        """Return what draws the status line."""
        self._drawn = cells if self._status else 0
        return f"{_CUT}{self._status}{_WRAP}" if self._drawn else ""

    def _erasure(self) -> str:
        """Return what erases the status line, also one that a narrower terminal has wrapped into several rows."""
        drawn, self._drawn = self._drawn, 0
        if not drawn:
            return ""
        rows = (drawn - 1) // self.columns if _reflows() else 0
        return f"\x1b[{rows}A{_CLEAR_BELOW}" if rows else _CLEAR


def _reflows() -> bool:
    """Return whether the terminal wraps lines again when it is resized. xterm cuts them."""
    return "XTERM_VERSION" not in os.environ or "TMUX" in os.environ


def warning_line(text: str) -> str:
    """Return the line of a warning."""
    return f"mscli: {styled('warning:', 'bold yellow', sys.stderr)} {printable(text)}"


def warn_of_unknown(paths: Sequence[str], sentence: Callable[[str], str], warn: Callable[[str], object]) -> None:
    """Warn about unknown names, up to a number of them. ``sentence``: says that the name is ignored."""
    for path in paths[:_MOST_WARNINGS]:
        warn(sentence(path))
    if len(paths) > _MOST_WARNINGS:
        warn(f"ignoring {len(paths) - _MOST_WARNINGS} more unknown names")
