"""The preview of a command: choose where it is shown, open it, and act on the keys that close it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.cli.style import is_smart
from mscli.cli.surface.preview import AUTO, TERMINAL, WEB, WINDOW, PreviewPlan
from mscli.core.errors import NotSupportedError
from mscli.core.properties import VIDEO
from mscli.sinks import load_preview, load_web_preview

if TYPE_CHECKING:
    from mscli.api.preview import PreviewRun
    from mscli.cli.session import Session
    from mscli.core.orientation import PictureFilters
    from mscli.core.screens import Screen

ESCAPE = "\x1b"
_SEQUENCE = re.compile(r"\x1b[\[O][0-?]*[ -/]*[@-~]")  # what an arrow key sends, for example


class CommandPreview:
    """The preview of a run, if one was asked for. A context manager that closes it.

    ``alone``: whether the run has no output and ends with its preview.
    """

    def __init__(
        self, session: Session, plan: PreviewPlan, filters: PictureFilters | None, kinds: Sequence[str], *, alone: bool = False
    ) -> None:
        """Choose the place. Raises NotSupportedError if there is none."""
        self._session, self._plan, self._filters = session, plan, filters
        self._place = _place(kinds) if plan.place == AUTO else plan.place
        self.alone = alone and bool(plan.place)
        self._screen: Screen | None = None
        self._preview: PreviewRun | None = None
        if self._place == WINDOW and VIDEO not in kinds:
            hints = ["use --preview terminal, or --preview web"]
            raise NotSupportedError("a preview window shows video, and only sound is captured", hints=hints)

    def __enter__(self) -> CommandPreview:
        """Open what needs no device, so that an address in use or a terminal that cannot draw is reported at once."""
        if self._place == WEB:
            screen = load_web_preview(*self._plan.listen)
            self._screen = screen
            self._session.voice.fact("preview", screen.address, f"Preview at {screen.address}")
        elif self._place == TERMINAL:
            from mscli.cli.terminalscreen import TerminalScreen

            terminal = TerminalScreen()
            self._screen = terminal
            self._session.voice.hold(terminal.set_status, terminal.set_message)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.leave()
        self._close_screen()

    @property
    def in_terminal(self) -> bool:
        """Return whether the terminal shows it, with the keys that work."""
        return self._place == TERMINAL and not self.closed

    @property
    def closed(self) -> bool:
        """Return whether people have closed it."""
        return self._screen is not None and self._screen.closed

    @property
    def ends_run(self) -> bool:
        """Return whether the run ends, because nothing but the preview was wanted of it."""
        self.end_if_closed()
        return self.alone and self.closed

    def end_if_closed(self) -> None:
        """Free a screen that people have closed."""
        if self.closed and self._preview is not None:
            self.leave()
            self._close_screen()

    def show(self, tracks: Sequence[MediaStreamTrack]) -> None:
        """Show these tracks from now on. Opens the window, which takes a moment. Raises NotSupportedError."""
        if not self._place or self.closed:
            return
        if self._screen is None:
            label = next(track.label for track in tracks if track.kind == VIDEO)
            self._screen = self._session.wait_for(lambda: load_preview(label), lambda late: late.close())
        from mscli.api.preview import PreviewRun

        self._preview = PreviewRun(self._screen, tracks, self._filters)

    def leave(self) -> None:
        """Show these tracks no longer. The last picture stays."""
        preview, self._preview = self._preview, None
        if preview is not None:
            preview.close()

    def press(self, keys: str) -> str:
        """Close the preview in the terminal if Escape is among the keys. Return them without those of escape sequences."""
        keys = _SEQUENCE.sub("", keys)
        if ESCAPE in keys and self.in_terminal and self._screen is not None:
            self._screen.close()
            self.end_if_closed()
        return keys

    def _close_screen(self) -> None:
        """Close the screen. The lines that it has covered are printed."""
        if self._screen is not None:
            self._screen.close()
            if self._place == TERMINAL:
                self._session.voice.release()


def _place(kinds: Sequence[str]) -> str:
    """Return where a preview is shown if nobody says: in a window if there is a display, else in the terminal."""
    display = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if display and VIDEO in kinds:
        return WINDOW
    if is_smart(sys.stderr):
        return TERMINAL
    why = "neither DISPLAY nor WAYLAND_DISPLAY is set, and stderr is no terminal that can draw"
    hints = ["run mscli in a graphical session, over ssh -X, or in a terminal", "or use --preview web"]
    raise NotSupportedError(f"cannot show a preview: {why}", hints=hints)
