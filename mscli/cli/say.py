"""What is said to people while a command runs: to stderr, with rich on a terminal, plain in a pipe."""

from __future__ import annotations

import sys

from mscli.cli.forgiving import forgiving_stderr
from mscli.cli.printable import printable
from mscli.cli.shared import Shared


class Voice:
    """Says lines for people. With --json or --quiet only warnings, with --quiet not even these."""

    def __init__(self, shared: Shared) -> None:
        self._quiet = shared.quiet
        self._talks = not (shared.quiet or shared.json)
        self._verbose = shared.verbose
        self.on_terminal = sys.stderr.isatty()

    @property
    def live(self) -> bool:
        """Whether a line that changes may be shown."""
        return self._talks and self.on_terminal

    def info(self, text: str) -> None:
        """Say what was done."""
        if self._talks:
            self._say(text, "")

    def detail(self, text: str) -> None:
        """Say more, with --verbose."""
        if self._talks and self._verbose:
            self._say(text, "dim")

    def warn(self, text: str) -> None:
        """Say what people may not have wanted."""
        if not self._quiet:
            self._say(f"mscli: {text}", "yellow")

    def _say(self, text: str, style: str) -> None:
        with forgiving_stderr():  # a full disk or a reader that left is no reason to end a recording
            if self.on_terminal:
                from rich.console import Console

                out = Console(stderr=True, markup=False, emoji=False)
                out.print(printable(text), style=style, highlight=not style, soft_wrap=True)
            else:
                print(printable(text), file=sys.stderr)  # noqa: T201
