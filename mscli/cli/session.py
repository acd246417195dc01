"""One run of a capturing command: its devices, its negotiated stream, its signals, events and lanes."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from mscli.api.getusermedia import Choice
from mscli.api.mediadeviceinfo import device_name, device_noun
from mscli.api.mediastream import MediaStream
from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.cli.eventlog import EventLog
from mscli.cli.exitcodes import UnknownConstraintError
from mscli.cli.forgiving import STDERR, STDOUT, Readers
from mscli.cli.memory import keep_freed_memory
from mscli.cli.opening import open_devices
from mscli.cli.options import Options, exact_devices, stream_constraints
from mscli.cli.printable import json_text
from mscli.cli.resolve import resolve_device
from mscli.cli.say import Voice
from mscli.cli.signals import Stopper
from mscli.core.derived import mode_behind
from mscli.core.errors import DOMException, OverconstrainedError
from mscli.core.events import Event
from mscli.core.mailbox import Mailbox
from mscli.core.properties import KINDS, PROPERTIES
from mscli.core.selection import Selection, describe_settings
from mscli.core.webidl import RANGE_MEMBERS, unknown_names

if TYPE_CHECKING:
    from mscli.cli.change import Change
    from mscli.cli.follower import Follower

_LOGGED_AS = {"configurationchange": "settings"}  # in --events, which the contract names
_SAID = {"configurationchange": "now"}

T = TypeVar("T")


class Session:
    """What a capturing command runs in. A context manager: leaving it gives the devices back."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.voice = Voice(options)
        self.mailbox = Mailbox()
        self.events = EventLog(options.events, self.voice.warn)
        self.stopper = Stopper(self.wake, self._forsake)
        self._forsaking: list[Callable[[], object]] = [self.events.forsake, Readers(STDOUT, STDERR).forsake]
        self.devices = open_devices(options, self.mailbox)
        self.tracks: list[MediaStreamTrack] = []
        self.ended: list[MediaStreamTrack] = []  # tracks whose device ended by itself
        self._follower: Follower | None = None

    def __enter__(self) -> Session:
        self.stopper.__enter__()
        try:
            self.events.open(self.stopper.interrupt_if_requested)
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._close()
        finally:
            self.stopper.__exit__()

    def _close(self) -> None:
        if self._follower is not None:
            self._follower.close()
        self.devices.close()
        for track in self.tracks:
            if track.live.hold.left_behind:
                self.voice.warn(track.live.hold.left_behind)
        self.events.close()

    def write_to(self, forsake_output: Callable[[], object], *, to_stdout: bool) -> None:
        """There is an output now, given up by that call if its reader sleeps; stdout may carry it, and nothing else then."""
        readers = Readers(STDERR) if to_stdout else Readers(STDOUT, STDERR)
        self._forsaking = [forsake_output, self.events.forsake, readers.forsake]

    def _forsake(self) -> None:
        for forsake in self._forsaking:
            forsake()

    def wake(self) -> None:
        """Have whoever waits for the mailbox look around."""
        self.mailbox.post(lambda: None)

    def constraints(self, kinds: list[str]) -> Any:
        """The ``MediaStreamConstraints`` to negotiate with, device names resolved; unknown names are warned of, or refused."""
        self._check_names()
        named = {"video": self.options.camera, "audio": self.options.microphone}
        ids = {kind: self._device_id(kind, name) for kind, name in named.items() if name is not None and kind in kinds}
        return stream_constraints(self.options, kinds, ids)

    def _device_id(self, kind: str, name: str) -> str:
        return resolve_device(name, self.devices.enumerate_devices([KINDS[kind]]), KINDS[kind]).device_id

    def _check_names(self) -> None:
        advanced = {"video": {"advanced": list(self.options.advanced)}}
        named = [f"-c.{name}" for name in self.options.unknown]
        paths = [*named, *unknown_names(self.options.constraints), *unknown_names(advanced)]
        for path in paths:
            what = "constraint" if "." in path else "kind of track"
            sentence = f"there is no {what} “{path.rpartition('.')[2]}”{_did_you_mean(path)}"
            if self.options.strict:
                raise UnknownConstraintError(sentence)
            self.voice.warn(f"{sentence}; it is ignored")

    def negotiate(self, kinds: list[str], pixel_formats: Sequence[str] = ()) -> list[Choice]:
        """What would be used; with --explain, why not when nothing fits."""
        constraints = self.constraints(kinds)
        return self._explained(lambda: self.devices.negotiate(constraints, pixel_formats=pixel_formats, **self._patience))

    def _explained(self, ask: Callable[[], T], release: Callable[[T], object] = lambda _: None) -> T:
        try:
            return self.wait_for(ask, release)
        except OverconstrainedError as error:
            self._explain_failure(error)
            raise

    def _explain_failure(self, error: OverconstrainedError) -> None:
        """With --explain: what excluded each candidate, as a table or in the error's JSON."""
        if not self.options.explain:
            return
        if self.options.json:
            error.explanation = {"candidates": [_candidate_json(one) for one in error.candidates]}
            return
        from mscli.cli.tables import show_candidates

        show_candidates(error.candidates, None)

    def _explain(self, choices: Sequence[Choice]) -> None:
        """With --explain: the candidates of every kind, to stderr; in JSON they are part of --dry-run's answer."""
        if self.options.explain and not self.options.json:
            from mscli.cli.tables import show_candidates

            for choice in choices:
                show_candidates(choice.selection.candidates, choice)

    def dry_run(self, kinds: list[str], pixel_formats: Sequence[str] = ()) -> None:
        """Print the settings that would be used; nothing is started."""
        choices = self.negotiate(kinds, pixel_formats)
        if self.options.json:
            tracks = [_choice_json(choice, explain=self.options.explain) for choice in choices]
            print(json_text({"tracks": tracks}, sys.stdout))  # noqa: T201
            return
        from mscli.cli.tables import show_choices

        self._explain(choices)
        show_choices(choices)

    def open(
        self, kinds: list[str], pixel_formats: Sequence[str] = (), prepare: Callable[[MediaStream], object] | None = None
    ) -> MediaStream:
        """Open the devices and start them; ``prepare`` gets the stream before its first frame. Says what is used."""
        constraints = self.constraints(kinds)
        self._check_fallback(constraints)
        care = {**self._patience, "reconnect_s": self.options.reconnect or 0.0, "fallback": self.options.fallback}

        def ask() -> MediaStream:
            return self.devices.get_user_media(
                constraints, pixel_formats=pixel_formats, on_choices=self._explain, prepare=prepare, **care
            )

        stream = self._explained(ask, _stop_all)
        self.tracks = stream.get_tracks()
        for track in self.tracks:
            self._follow(track)
        self._follow_devices()
        return stream

    def _check_fallback(self, constraints: Any) -> None:
        """Warn where ``--fallback`` can do nothing."""
        for kind, device_id in exact_devices(constraints).items() if self.options.fallback else ():
            noun = device_noun(KINDS[kind])
            self.voice.warn(f"--fallback: no other {noun} can take the place of one that is named exactly ({device_id})")

    @property
    def _patience(self) -> dict[str, Any]:
        return {"timeout_s": self.options.timeout} if self.options.timeout else {}

    def wait_for(self, call: Callable[[], T], release: Callable[[T], object] = lambda _: None) -> T:
        """What a call to devices gives, as ``Stopper`` has it."""
        return self.stopper.wait_for(call, release)

    def _follow(self, track: MediaStreamTrack) -> None:
        for error in track.passed_over:
            self.voice.warn(f"{error}; {device_name(track.live.device)} is used instead")
        self.voice.info(_described(track))
        self.events.emit("settings", track, settings=track.get_settings())
        for name in track.EVENTS:
            track.add_event_listener(name, self._on_track_event)

    def _follow_devices(self) -> None:
        """Have --events tell of devices that come and go."""
        if self.events.written:
            from mscli.cli.follower import Follower

            self._follower = Follower(self.devices, self.mailbox, self._on_device_change)

    def _on_device_change(self, change: Change) -> None:
        self.events.emit("devicechange", None, change.at_us, **change.to_json())

    def _on_track_event(self, event: Event) -> None:
        track = event.target
        assert isinstance(track, MediaStreamTrack), "only tracks are followed"
        self.events.emit(_LOGGED_AS.get(event.type, event.type), track, event.time, **event.detail)
        if event.type == "ended":
            self.ended.append(track)
        self.voice.info(f"{_SAID.get(event.type, event.type)}: {event.detail.get('reason') or _described(track)}")

    def settle(self) -> None:
        """The start is over and a loop follows: look for garbage again, but not among what the start has made."""
        keep_freed_memory()
        gc.freeze()
        gc.enable()

    def show_tracks(self, to_stderr: bool) -> None:
        """With --json -v: the tracks and their settings, once at the start."""
        if self.options.json and self.options.verbose:
            out = sys.stderr if to_stderr else sys.stdout
            print(json_text({"tracks": [_track_json(track) for track in self.tracks]}, out), file=out, flush=True)

    def check_source(self, frames: int) -> None:
        """Raise what ended a device before it gave anything."""
        errors: list[DOMException] = [track.ended_error for track in self.tracks if track.ended_error is not None]
        if errors and not frames:
            raise errors[0]


def _stop_all(stream: MediaStream) -> None:
    for track in stream.get_tracks():
        track.stop()


def _did_you_mean(path: str) -> str:
    from difflib import get_close_matches

    *above, name = path.split(".")
    known = RANGE_MEMBERS if above and above[-1] in PROPERTIES else tuple(PROPERTIES) if above else tuple(KINDS)
    folded = {name.casefold(): name for name in known}
    close = get_close_matches(name.casefold().replace("-", ""), folded, 1)
    return f"; did you mean “{folded[close[0]]}”?" if close else ""


def _described(track: MediaStreamTrack) -> str:
    native = f", {track.pixel_format}" if track.pixel_format else ""
    return f"{device_noun(KINDS[track.kind])} “{track.label}”: {describe_settings(track.settings)}{native}"


def _track_json(track: MediaStreamTrack) -> dict[str, Any]:
    mode = {"mode": track.mode} if track.mode else {}
    described = {"kind": track.kind, "label": track.label, "settings": track.get_settings()}
    return {**described, "constraints": track.get_constraints(), **mode}


def _choice_json(choice: Choice, *, explain: bool) -> dict[str, Any]:
    selection = choice.selection
    mode = {"mode": choice.mode.to_json()} if choice.mode else {}
    described = {"kind": choice.kind, "label": choice.device.label, "settings": selection.settings}
    asked = {**described, "constraints": dict(choice.constraints.source), **mode}
    return asked | _explanation_json(selection) if explain else asked


def _explanation_json(selection: Selection) -> dict[str, Any]:
    return {
        "distance": selection.distance,
        "decidedBy": selection.decided_by,
        "advancedKept": list(selection.advanced),
        "candidates": [_candidate_json(one) for one in selection.candidates],
    }


def _candidate_json(candidate: Any) -> dict[str, Any]:
    native = candidate.box.mode if candidate.settings is None else mode_behind(candidate.box, candidate.settings)
    mode = {"mode": native.to_json()} if native else {}
    told = {"deviceId": candidate.box.device.device_id, "derived": bool(candidate.box.backing), **mode}
    if candidate.settings is None:
        return {**told, "excludedBy": candidate.excluded_by}
    return {
        **told,
        "settings": candidate.settings,
        "distance": candidate.distance,
        "distances": dict(candidate.distances or {}),
    }
