"""Commands for a run of the command line: how they act on it, which keys map to them, and the channel of ``--control``.

``mscli.api.commands`` has the table of commands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from mscli.api.commands import RecorderRun, Run
from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.core.errors import InvalidStateError

if TYPE_CHECKING:
    from mscli.api.mediarecorder import MediaRecorder
    from mscli.cli.control import ControlChannel
    from mscli.cli.session import Session

CommandJson = dict[str, Any]

KEYS: Mapping[str, tuple[str, Callable[[Run], CommandJson]]] = {  # key → label in the status line, and command
    "p": ("pause", lambda run: {"resume": True} if run.paused else {"pause": True}),
    "q": ("stop", lambda _: {"stop": True}),
}


class SessionRun(Run):
    """A run with a session. ``stop`` ends it as a signal does, and changed settings are reported as events."""

    session: Session

    def stop(self) -> None:
        self.session.stopper.request()

    def apply_constraints(self, track: MediaStreamTrack, constraints: Mapping[str, Any]) -> None:
        super().apply_constraints(track, constraints)
        self.session.event_loop.post(partial(self.session.report_settings, track))


class SessionRecorderRun(SessionRun, RecorderRun):
    """The run of ``mscli record``."""

    def __init__(self, session: Session, recorder: MediaRecorder) -> None:
        super().__init__(recorder)
        self.session = session

    def finish(self) -> None:
        """Stop the recorder after the session was asked to end."""
        RecorderRun.stop(self)


def keys_text(*, there: bool) -> str:
    """Return the keys that work, for the status line. ``there``: whether keys can be read."""
    return "  ".join(f"{key} {what}" for key, (what, _) in KEYS.items()) if there else "Ctrl-C stop"


def press(keys: str, run: Run) -> None:
    """Execute the commands of the pressed keys. Other keys do nothing."""
    for key in keys:
        if key in KEYS:
            with suppress(InvalidStateError):  # the run has just ended
                run.perform(KEYS[key][1](run))


# Commands from stdin or a socket


def open_control(address: str | None, session: Session, *, to_stdout: bool) -> AbstractContextManager[ControlChannel | None]:
    """Create the control channel as a context manager, or one that yields None without an address.

    Raises OperationError, NotSupportedError.
    """
    if address is None:
        return nullcontext()
    from mscli.cli.control import ControlChannel

    return ControlChannel(address, session, to_stdout=to_stdout)
