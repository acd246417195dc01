"""Commands for a run of the command line: how they act on it, which keys and signals map to them, and the channel of
``--control``.

``mscli.api.commands`` has the table of commands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from mscli.api.commands import Run
from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.cli.target import refuse_added, refuse_folder
from mscli.core.addresses import masked
from mscli.core.clock import now_us
from mscli.core.errors import ArgumentError, InvalidStateError

if TYPE_CHECKING:
    from mscli.api.recording import Recording
    from mscli.cli.control import ControlChannel
    from mscli.cli.session import Session
    from mscli.cli.trigger import Trigger

CommandJson = dict[str, Any]

REMOVED = "removed"  # the reason in the event of an output that a command has removed
PICTURE = "png"  # the suffix in the hint for a folder

KEYS: Mapping[str, tuple[str, Callable[[Run], CommandJson]]] = {  # key → label in the status line, and command
    "p": ("pause", lambda run: {"resume": True} if run.paused else {"pause": True}),
    "q": ("stop", lambda _: {"stop": True}),
}


SIGNALS: Mapping[str, str] = {  # signal → command; handlers only note a signal, and the main loop executes its command
    "SIGINT": "stop",
    "SIGTERM": "stop",
    "SIGHUP": "stop",
    "SIGUSR1": "trigger",  # with --trigger SIGUSR1
}
LINE = "trigger"  # the command of a line on stdin, with --trigger stdin


class SessionRun(Run):
    """A run with a session. Its main loop ends it once it is ``stopping``. Changed settings are reported as events."""

    session: Session
    stopping = False  # whether a signal, a key or a command has asked for the end
    series = False  # whether each of them is a series of files
    instead = ""  # what to do in place of writing to a terminal

    @property
    def outputs(self) -> Sequence[str]:
        """Return the outputs that are written, as they were given."""
        return ()

    def check_added(self, name: str) -> None:
        """Raise TypeError for an output or a picture that would have been a usage error at the start."""
        try:
            refuse_added(name, self.outputs, self.session.options, self.instead, series=self.series)
        except click.UsageError as error:
            raise ArgumentError(error.message) from None

    def snapshot(self, name: str) -> str:
        refuse_folder(name, PICTURE)
        return super().snapshot(name)

    def remove_from(self, recording: Recording, name: str, names: Sequence[str], track: MediaStreamTrack | None = None) -> None:
        """Remove an output and report its end. ``names``: all that were given or added. Raises InvalidStateError.

        ``track``: that of the event, if any.
        """
        position = recording.remove_output(name, names)
        if position in recording.removed:
            emit, file = self.session.events.emit, masked(names[position])
            self.session.event_loop.post(partial(emit, "stop", track, now_us(), file=file, reason=REMOVED))

    def stop(self) -> None:
        self.stopping = True
        self.session.stopper.request()

    def apply_constraints(self, changes: Sequence[tuple[MediaStreamTrack, Mapping[str, Any]]]) -> None:
        super().apply_constraints(changes)
        for track, _ in changes:
            self.session.event_loop.post(partial(self.session.report_settings, track))


def keys_text(*, there: bool) -> str:
    """Return the keys that work, for the status line. ``there``: whether keys can be read."""
    return "  ".join(f"{key} {what}" for key, (what, _) in KEYS.items()) if there else "Ctrl-C stop"


def press(keys: str, run: Run) -> None:
    """Execute the commands of the pressed keys. Other keys do nothing."""
    for key in keys:
        if key in KEYS:
            with suppress(InvalidStateError):  # the run has just ended
                run.perform(KEYS[key][1](run))


def obey_signals(run: SessionRun) -> None:
    """Execute the commands of the signals that have come since the last call."""
    for name in run.session.stopper.noted():
        run.execute(SIGNALS[name])


def obey_trigger(trigger: Trigger, run: Run) -> None:
    """Execute the command of the trigger as often as it was pulled since the last call."""
    times = trigger.pulled()
    if times:
        run.execute(SIGNALS.get(trigger.name, LINE), times)


# Commands from stdin or a socket


def open_control(address: str | None, session: Session, *, to_stdout: bool) -> AbstractContextManager[ControlChannel | None]:
    """Create the control channel as a context manager, or one that yields None without an address.

    Raises OperationError, NotSupportedError.
    """
    if address is None:
        return nullcontext()
    from mscli.cli.control import ControlChannel

    return ControlChannel(address, session, to_stdout=to_stdout)
