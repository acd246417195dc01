"""Commands for a running capture: one table for keys, signals, the control channel and the library.

    run = mscli.RecorderRun(recorder)
    run.perform({"applyConstraints": {"video": {"width": 640}}})

A command is a JSON object with one member: its name and its argument. A new command needs one row.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from threading import RLock
from typing import TYPE_CHECKING, Any, cast

from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.api.sharing import remember_source
from mscli.core.addresses import masked
from mscli.core.errors import ArgumentError, DOMException, InvalidStateError, NotSupportedError
from mscli.core.log import Log
from mscli.core.nearest import did_you_mean
from mscli.core.tuples import NamedTuple
from mscli.core.webidl import unknown_names

if TYPE_CHECKING:
    from mscli.api.dictionaries import MediaTrackConstraints
    from mscli.api.mediarecorder import MediaRecorder

Answer = dict[str, Any]  # what a command reports besides success

_log = Log("control")


class Run:
    """A running capture, as the target of commands. ``perform`` may be called from any thread.

    Raises InvalidStateError for a command that makes no sense now, and NotSupportedError for one that this run does not
    support.
    """

    def __init__(self, tracks: Sequence[MediaStreamTrack]) -> None:
        self.tracks = tracks
        self._turn = RLock()  # held to pause, resume or stop; never while waiting for a device
        self._outputs_turn = RLock()  # held to add or remove an output, which may take ``CHANGE_S``

    def perform(self, command: Any) -> Answer:
        """Execute a command and return its answer. Raises TypeError if it is malformed, and the command's own errors."""
        row, argument = read_command(command)
        return self._perform(row, argument)

    def execute(self, name: str, argument: Any = None) -> Answer:
        """Execute a command of ours by its name: one of a key or a signal. Its argument is not checked."""
        return self._perform(COMMANDS[name], argument)

    def _perform(self, row: CommandRow, argument: Any) -> Answer:
        _log.info("%s", row.name)  # without its argument, because an output's address may contain a secret
        return row.perform(self, argument)

    @property
    def paused(self) -> bool:
        """Return whether the capture is paused."""
        return False

    def pause(self) -> None:
        """Leave out frames until ``resume``. Does nothing during a pause."""
        raise NotSupportedError("this capture cannot be paused")

    def resume(self) -> None:
        """End a pause. Does nothing if there is none."""
        raise NotSupportedError("this capture cannot be paused")

    def stop(self) -> None:
        """End the run. What was captured so far is written."""
        raise NotSupportedError("this capture cannot be stopped")

    def trigger(self, times: int = 1) -> None:  # noqa: ARG002 (most wait for none)
        """Trigger one file or more in a run that waits for triggers."""
        raise InvalidStateError("this capture has no trigger")

    def add_output(self, name: str) -> str:  # noqa: ARG002 (most write into what they were begun with)
        """Write to one more output from now on. Return its name, with the time and the number if it contains them."""
        raise NotSupportedError("this run cannot add an output")

    def remove_output(self, name: str) -> None:  # noqa: ARG002
        """Finish one output and continue with the others."""
        raise NotSupportedError("this run cannot remove its output")

    def snapshot(self, name: str) -> str:
        """Write the next frame into a picture file and return its name. The run continues."""
        from mscli.api.imagecapture import ImageCapture

        track = next((track for track in self.tracks if track.kind == "video" and track.ready_state == "live"), None)
        if track is None:
            raise NotSupportedError(f"cannot take the picture {name}: no camera is captured")
        return ImageCapture(track).save(name, check=self.check_added)

    def check_added(self, name: str) -> None:
        """Raise TypeError if a new file would have the name of an output that is written."""

    def set_enabled(self, track: MediaStreamTrack, enabled: bool) -> None:
        """Enable a track, or replace it by black or silence."""
        track.enabled = enabled

    def apply_constraints(self, changes: Sequence[tuple[MediaStreamTrack, Mapping[str, Any]]]) -> None:
        """Change the settings of tracks, of all or of none.

        Raises the errors of ``MediaStreamTrack.apply_constraints`` and ``check_applied``, and InvalidStateError
        if a track has ended.
        """
        for track, constraints in changes:
            if track.ready_state == "ended":
                raise InvalidStateError(f"“{track.label}” has ended")
            track.check_constraints(cast("MediaTrackConstraints", constraints))
        before = [(track, track.get_settings()) for track, _ in changes]
        put_back = [remember_source(source) for source in dict.fromkeys(track.source for track, _ in changes)]
        try:
            for track, constraints in changes:
                track.apply_constraints(cast("MediaTrackConstraints", constraints))
            self.check_applied(before)
        except Exception:
            for put in put_back:
                with suppress(DOMException):  # this device has failed as well: what failed first is the reason
                    put()
            raise

    def check_applied(self, before: Sequence[tuple[MediaStreamTrack, Mapping[str, Any]]]) -> None:
        """Raise an error if the new settings of these tracks cannot stay. ``before``: with their settings before."""

    def tracks_named(self, name: str) -> list[MediaStreamTrack]:
        """Return the tracks of a kind, or the one with this id. Raises TypeError if there is none."""
        found = [track for track in self.tracks if name in (track.kind, track.id)]
        if not found:
            known = ", ".join(dict.fromkeys(track.kind for track in self.tracks))
            raise ArgumentError(f"unknown track “{name}”; use {known}, or the id of a track")
        return found


class RecorderRun(Run):
    """The run of a ``MediaRecorder``."""

    def __init__(self, recorder: MediaRecorder) -> None:
        super().__init__(recorder.stream.get_tracks())
        self.recorder = recorder

    @property
    def paused(self) -> bool:
        return self.recorder.state == "paused"

    def pause(self) -> None:
        with self._turn:
            self.recorder.pause()

    def resume(self) -> None:
        with self._turn:
            self.recorder.resume()

    def stop(self) -> None:
        with self._turn:
            self.recorder.stop()

    def trigger(self, times: int = 1) -> None:
        with self._turn:
            self.recorder.trigger(times)

    def add_output(self, name: str) -> str:
        with self._outputs_turn:
            return str(self.recorder.add_output(name, expand=True))

    def remove_output(self, name: str) -> None:
        with self._outputs_turn:
            self.recorder.remove_output(name)

    def check_added(self, name: str) -> None:
        self.recorder.check_added(name)


# Checks of commands' arguments. Each returns the argument or raises a TypeError that says what is expected.


def _true(value: Any) -> None:
    if value is not True:
        raise ArgumentError("needs true")


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value or "\0" in value or not _is_encodable(value):
        raise ArgumentError("needs a name")
    return value


def _is_encodable(name: str) -> bool:
    """Return whether a file can have this name. JSON may contain half a character."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return True


def _by_track(value: Any, fits: Callable[[Any], bool], what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not value or not all(map(fits, value.values())):
        raise ArgumentError(f"needs an object with {what} for “video”, “audio” or both")
    return value


def _switches(value: Any) -> Mapping[str, bool]:
    return _by_track(value, lambda one: isinstance(one, bool), "true or false")


def _constraints(value: Any) -> Mapping[str, Mapping[str, Any]]:
    return _by_track(value, lambda one: isinstance(one, Mapping), "an object of constraints")


# Actions of commands


def _apply(run: Run, asked: Mapping[str, Mapping[str, Any]]) -> Answer:
    chosen = {name: run.tracks_named(name) for name in asked}
    run.apply_constraints([(track, asked[name]) for name, tracks in chosen.items() for track in tracks])
    settings = {name: [track.get_settings() for track in tracks] for name, tracks in chosen.items()}
    answer: Answer = {"settings": {name: found[0] if len(found) == 1 else found for name, found in settings.items()}}
    ignored = [f"{name}.{path.partition('.')[2]}" for name, one in asked.items() for path in unknown_names({"video": one})]
    return answer | ({"ignored": ignored} if ignored else {})


def _enable(run: Run, asked: Mapping[str, bool]) -> Answer:
    chosen = {name: run.tracks_named(name) for name in asked}
    for name, tracks in chosen.items():
        for track in tracks:
            run.set_enabled(track, asked[name])
    return {}


def _plain(method: str) -> Callable[[Run, Any], Answer]:
    def call(run: Run, argument: Any) -> Answer:
        getattr(run, method)(*([] if argument is None else [argument]))
        return {}

    return call


class CommandRow(NamedTuple):
    """A command: its name, the check of its argument, its action on a run, and its help."""

    name: str
    check: Callable[[Any], Any]  # returns the argument or raises TypeError
    perform: Callable[[Run, Any], Answer]
    example: str  # an example of the argument, as JSON
    help: str


COMMANDS: dict[str, CommandRow] = {
    row.name: row
    for row in (
        CommandRow("pause", _true, _plain("pause"), "true", "stop recording until resume"),
        CommandRow("resume", _true, _plain("resume"), "true", "continue after a pause"),
        CommandRow("stop", _true, _plain("stop"), "true", "end the run and finish the output"),
        CommandRow("trigger", _true, _plain("trigger"), "true", "begin a file of a recording with --trigger"),
        CommandRow("enabled", _switches, _enable, '{"video": false}', "show a track, or replace it by black or silence"),
        CommandRow("applyConstraints", _constraints, _apply, '{"video": {"width": 640}}', "change the settings of a track"),
        CommandRow(
            "snapshot", _name, lambda run, name: {"file": run.snapshot(name)}, '"FILE"', "write the next frame as a picture"
        ),
        CommandRow("addOutput", _name, lambda run, name: {"file": masked(run.add_output(name))}, '"OUTPUT"', "add an output"),
        CommandRow("removeOutput", _name, _plain("remove_output"), '"OUTPUT"', "finish one output; the others continue"),
    )
}


def read_command(command: Any) -> tuple[CommandRow, Any]:
    """Return a command's row and argument. Raises TypeError, with a suggestion, if it is malformed."""
    if not isinstance(command, Mapping):
        raise ArgumentError('a command must be an object, such as {"pause": true}')
    if len(command) != 1:
        given = f"it holds {_listed(command)}" if command else "it is empty"
        raise ArgumentError(f"an object must hold one command; {given}")
    ((name, value),) = command.items()
    row = COMMANDS.get(name)
    if row is None:
        raise ArgumentError(f"unknown command “{name}”{did_you_mean(name, COMMANDS) or f'; commands: {_listed(COMMANDS)}'}")
    try:
        return row, row.check(value)
    except ArgumentError as error:
        raise ArgumentError(f'“{name}” {error}: {{"{name}": {row.example}}}') from None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"“{name}”" for name in names)
