"""One run of a capturing command: its devices, stream, signals, events and queues."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mscli.api.getusermedia import Choice
from mscli.api.mediastream import MediaStream
from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.api.wanted import Wanted
from mscli.cli.eventlog import EventLog
from mscli.cli.exitcodes import UnknownConstraintError
from mscli.cli.forgiving import STDERR, STDOUT, Readers
from mscli.cli.opening import open_devices
from mscli.cli.options import DEVICE_FLAGS, Options, exact_device
from mscli.cli.printable import json_text
from mscli.cli.resolve import find_device
from mscli.cli.say import Voice, warn_of_unknown
from mscli.cli.signals import Stopper
from mscli.core.addresses import masked
from mscli.core.boxes import Scalar
from mscli.core.channels import MIXES
from mscli.core.clock import now_us
from mscli.core.controls import controls_in, mode_in
from mscli.core.derived import mode_behind
from mscli.core.errors import DOMException, NotFoundError, OverconstrainedError
from mscli.core.eventloop import EventLoop
from mscli.core.events import Event
from mscli.core.nearest import did_you_mean
from mscli.core.properties import AUDIO, DISPLAY_SURFACE, KINDS, PROPERTIES, VIDEO
from mscli.core.selection import Selection, describe_reshaping, describe_settings
from mscli.core.webidl import RANGE_MEMBERS, unknown_names
from mscli.encode.options import TrackFormat
from mscli.sinks import write_file
from mscli.sources import is_of
from mscli.sources.base import AUDIO_OUTPUT, NOTHING_COMES, device_noun

if TYPE_CHECKING:
    from mscli.api.getusermedia import Choice
    from mscli.api.mediastreamtrack import MediaStreamTrack
    from mscli.api.monitoring import Monitor
    from mscli.cli.change import DeviceListChange, Follower
    from mscli.cli.target import Contents

_LOGGED_AS = {"configurationchange": "settings"}  # the contract's names in --events

T = TypeVar("T")


class Session:
    """The devices, tracks, signals and events of a capturing command. Leaving this context manager releases the devices."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.voice = Voice(options, holds_up=False)
        self.event_loop = EventLoop()
        self.events = EventLog(options.events, self.voice.warn)
        self.stopper = Stopper(self.wake, self._abandon_reader)
        self._abandoning: list[Callable[[], object]] = [self.events.abandon_reader, Readers(STDOUT, STDERR).abandon_reader]
        self.devices = open_devices(options, self.event_loop, warn=self.voice.warn)
        self.tracks: list[MediaStreamTrack] = []
        self._known: dict[MediaStreamTrack, dict[str, Scalar]] = {}  # the settings that people know of
        self.ended: list[MediaStreamTrack] = []  # tracks whose device ended by itself
        self.filling = ""  # what the output does with filler frames, for people: "recording", or "" if it gets none
        self._monitor: Monitor | None = None
        self._mixed: Sequence[MediaStreamTrack] = ()  # the microphones of --mix
        self._monitored_on: Any = None  # the speaker of --monitor
        self._follower: Follower | None = None
        self._settings = CameraSettings(options.save_settings or "", restores=options.restore, warn=self.voice.warn)

    def __enter__(self) -> Session:
        self._hooks = sys.excepthook, threading.excepthook
        if self.options.json or "--debug" not in sys.argv:
            sys.excepthook = lambda _kind, error, _trace: self._report_defect(error)
            threading.excepthook = lambda failed: self._report_defect(failed.exc_value)
        self.stopper.__enter__()
        try:
            self.events.open(self.stopper.interrupt_if_requested)
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.voice.leave_out(str(error or ""))
        try:
            self._close()
        finally:
            self.stopper.__exit__()
            sys.excepthook, threading.excepthook = self._hooks

    def _report_defect(self, error: BaseException | None) -> None:
        """Report an exception that nobody waits for in one line: on a source's thread, or while a device is stopped."""
        from mscli.cli.failure import lack

        if error is None:
            return
        error = lack(error) or error
        if isinstance(error, DOMException):
            self.voice.warn(str(error))
        else:
            self.voice.warn(f"internal error: {type(error).__name__}: {error}; --debug shows the traceback")

    @property
    def over(self) -> bool:
        """Return whether all devices of some kind have ended, which ends the others too.

        A source that waits for its readers ends as a whole, so others go on to their own ends.
        """
        left = {track.kind for track in self.tracks if track not in self.ended}
        return any(track.kind not in left and not track.paced for track in self.ended)

    def _close(self) -> None:
        if self._follower is not None:
            self._follower.close()
        if self._monitor is not None:
            self._monitor.close()
        for track in self.tracks if self._mixed else ():
            track.stop()
        self.release_cameras()
        self.devices.close()
        for track in self.tracks:
            if track.left_behind:
                self.voice.warn(track.left_behind)
        self.events.close()
        self.voice.close()

    def release_cameras(self) -> None:
        """Save and restore the cameras' controls, as requested, before they are closed."""
        self._known.clear()  # nobody needs to read of what was asked for
        self._settings.finish(self.tracks)

    def write_to(self, abandon_reader_output: Callable[[], object], *, to_stdout: bool) -> None:
        """Register the output. ``abandon_reader_output`` abandons its reader if it is stalled.

        ``to_stdout``: stdout carries the output and nothing else.
        """
        readers = Readers(STDERR) if to_stdout else Readers(STDOUT, STDERR)
        self._abandoning = [abandon_reader_output, self.events.abandon_reader, readers.abandon_reader]

    def _abandon_reader(self) -> None:
        for abandon_reader in self._abandoning:
            abandon_reader()

    def wake(self) -> None:
        """Wake the thread that waits for the event loop."""
        self.event_loop.post(lambda: None)

    def _resolved(self, wanted: Sequence[Wanted]) -> list[Wanted]:
        """Return the requests with a deviceId for every name. Unknown constraint names are warned about, or rejected."""
        self._check_names()
        self._check_reading(wanted)
        resolved: list[Wanted] = []
        for one in wanted:
            if one.called is not None:
                find = partial(find_device, self.devices, one.called, KINDS[one.kind], options=self.options.reading)
                info = self.wait_for(find)
                base = one.constraints if isinstance(one.constraints, Mapping) else {}
                one = Wanted(one.kind, {**base, "deviceId": {"exact": info.device_id}}, masked(one.called))
                self._refuse_twice(one, resolved)
            resolved.append(one)
        return resolved

    def _refuse_twice(self, one: Wanted, before: Sequence[Wanted]) -> None:
        """Raise UsageError if an earlier name refers to the same device, which would be recorded twice."""
        inputs = [masked(name) for name in self.options.input]
        same = one.kind, exact_device(one.constraints)
        for other in before:
            if other.called is not None and (other.kind, exact_device(other.constraints)) == same:
                flags = ["-i" if name in inputs else DEVICE_FLAGS[one.kind] for name in (other.called, one.called)]
                noun = "input" if set(flags) == {"-i"} else device_noun(KINDS[one.kind])
                raise click.UsageError(f"{flags[0]} {other.called} and {flags[1]} {one.called} name the same {noun}")

    def _check_reading(self, wanted: Sequence[Wanted]) -> None:
        """Raise UsageError if an option is only for files or pipes and none is read."""
        names = [one.called for one in wanted if one.called is not None]
        for what, rows, unused in self.options.of_inputs:
            if unused and not any(is_of(name, *rows) for name in names):
                raise click.UsageError(f"{unused[0]} has no effect: no {what} is read; name one with -i")

    def kinds_at(self, address: str) -> list[str]:
        """Return the kinds of tracks that are at an address."""
        found = self.wait_for(lambda: self.devices.add_address(address, list(KINDS.values()), self.options.reading))
        return [kind for kind, device_kind in KINDS.items() if device_kind in {info.kind for info in found}]

    def _check_names(self) -> None:
        advanced = {"video": {"advanced": list(self.options.advanced)}}
        named = [f"-c.{name}" for name in self.options.unknown]
        given = self.options.constraints
        requests = given if isinstance(given, list) else [given]
        paths = [*named, *(path for one in requests for path in unknown_names(one)), *unknown_names(advanced)]
        unknown = list(dict.fromkeys(paths))
        if unknown and self.options.strict:
            raise UnknownConstraintError(_unknown(unknown[0]))
        warn_of_unknown(unknown, lambda path: f"ignoring {_unknown(path)}", self.voice.warn)

    def negotiate(self, wanted: Sequence[Wanted], pixel_formats: Sequence[str] = ()) -> list[Choice]:
        """Return the choice for each track. With --explain, report why nothing fits."""
        resolved = self._resolved(wanted)
        choices = self._explained(
            lambda: self.devices.negotiate(wanted=resolved, pixel_formats=pixel_formats, **self._timeouts)
        )
        count = MIXES.get(self.options.mix_down or "") or len(self.options.channels or ())
        for choice in choices if count else ():
            if choice.kind == AUDIO:
                choice.selection.settings["channelCount"] = count
        return choices

    def _explained(self, ask: Callable[[], T], release: Callable[[T], object] = lambda _: None) -> T:
        try:
            return self.wait_for(ask, release)
        except OverconstrainedError as error:
            self._explain_failure(error)
            raise

    def _explain_failure(self, error: OverconstrainedError) -> None:
        """Report what excluded each candidate, with --explain: as a table or in the error's JSON."""
        if not self.options.explain:
            return
        if self.options.json:
            error.explanation = {"candidates": [_candidate_json(one) for one in error.candidates]}
            return
        from mscli.cli.tables import show_candidates

        show_candidates(error.candidates, None)

    def _on_choices(self, choices: Sequence[Choice]) -> None:
        self._settings.note(choices)
        self._explain(choices)

    def _explain(self, choices: Sequence[Choice]) -> None:
        """Print the candidates of every track to stderr, with --explain. With --json, --dry-run includes them."""
        if self.options.explain and not self.options.json:
            from mscli.cli.tables import show_candidates

            for choice in choices:
                show_candidates(choice.selection.candidates, choice)

    def dry_run(self, wanted: Sequence[Wanted], contents: Contents, pixel_formats: Sequence[str] = ()) -> None:
        """Print the settings that would be used and what would be written, without starting anything."""
        choices = self.negotiate(wanted, pixel_formats)
        if self.options.json:
            tracks = [_choice_json(choice, explain=self.options.explain) for choice in choices]
            print(json_text({"tracks": tracks}, sys.stdout))  # noqa: T201
            return
        from mscli.cli.tables import show_choices

        self._explain(choices)
        show_choices(choices)
        sounds = [choice for choice in choices if choice.kind == AUDIO][1:] if self.options.mix else []
        self._show_contents(contents, [chosen_format(choice) for choice in choices if choice not in sounds])

    def _show_contents(self, contents: Contents, tracks: Iterable[TrackFormat]) -> None:
        for name, text in contents(list(tracks)):
            if text:
                self.voice.info(f"{name}: {text}")

    def show_outputs(self, contents: Contents) -> None:
        """Print what each output will hold of the open tracks."""
        self._show_contents(contents, (TrackFormat(one.kind, one.settings, one.pixel_format) for one in self.tracks))

    def open(
        self,
        wanted: Sequence[Wanted],
        pixel_formats: Sequence[str] = (),
        prepare: Callable[[MediaStream], object] | None = None,
    ) -> MediaStream:
        """Open and start the devices, and report the settings. ``prepare`` gets the stream before its first frame."""
        resolved = self._resolved(wanted)
        self._check_fallback(resolved)
        if self.options.monitor is not None:
            self._monitored_on = self._speaker()
        prepared = partial(self._prepare, then=prepare)
        policy = {**self._timeouts, "reconnect_s": self.options.reconnect or 0.0, "fallback": self.options.fallback}

        def ask() -> MediaStream:
            return self.devices.get_user_media(
                wanted=resolved, pixel_formats=pixel_formats, on_choices=self._on_choices, prepare=prepared, **policy
            )

        stream = self._explained(ask, _stop_all)
        self.tracks = stream.get_tracks()
        for track in (*self.tracks, *self._mixed):
            self._follow(track)
        self._follow_devices()
        return stream

    def _prepare(self, stream: MediaStream, then: Callable[[MediaStream], object] | None) -> None:
        """Choose the channels of sound before anybody reads it, and let it be heard."""
        microphones = stream.get_audio_tracks()
        for track, gain in zip(microphones, self._gains(microphones), strict=True):
            if self.options.channels or self.options.mix_down or gain:
                track.select_channels(self.options.channels or (), self.options.mix_down or "", gain)
        if self.options.mix and microphones:
            from mscli.api.mixing import mix_tracks

            self._mixed = microphones
            for track in microphones:
                stream.remove_track(track)
            stream.add_track(mix_tracks(microphones))
        if then is not None:
            then(stream)
        self._listen_in(stream.get_audio_tracks())

    def _gains(self, microphones: Sequence[MediaStreamTrack]) -> list[float]:
        """Return the gain of each microphone in dB. Raises NotFoundError for a name that none has."""
        gains = [0.0] * len(microphones)
        given = self.options.microphone if len(self.options.microphone) == len(microphones) else [""] * len(microphones)
        for name, gain in self.options.gain:
            folded = name.casefold()
            exact = [place for place, one in enumerate(given) if folded == one.casefold()]
            alike = [place for place, track in enumerate(microphones) if folded in track.label.casefold()]
            places = list(range(len(gains))) if not name else exact or alike
            if not places:
                labels = [track.label for track in microphones]
                hints = [f"available: “{label}”" for label in labels]
                raise NotFoundError(f"no microphone is called “{name}”{did_you_mean(name, labels)}", hints=hints)
            for place in places:
                gains[place] += gain
        return gains

    def _speaker(self) -> Any:
        """Return the speaker of --monitor. Raises NotFoundError that lists the candidates."""
        name = self.options.monitor
        if not name:
            return self.wait_for(self.devices.select_audio_output)
        return self.wait_for(partial(find_device, self.devices, name, AUDIO_OUTPUT))

    def _listen_in(self, tracks: Sequence[MediaStreamTrack]) -> None:
        """Play the tracks on the speaker of --monitor."""
        speaker = self._monitored_on
        if self._monitor is not None:  # a device did not start, and this is another attempt
            self._monitor.close()
            self._monitor = None
        if speaker is None or not tracks:
            return
        from mscli.api.monitoring import LATENCY_S, Monitor

        for track in self._mixed or tracks:
            if speaker.group_id and track.settings.get("groupId") == speaker.group_id:
                self.voice.warn(f"“{speaker.label}” belongs to {track.source_name}: use headphones, or they feed back")

        def opened(latency_s: float) -> None:
            self.event_loop.post(partial(self.voice.info, f"heard on “{speaker.label}” {1000 * latency_s:.0f} ms later"))

        def lost(error: DOMException) -> None:
            self.event_loop.post(partial(self.voice.warn, f"{error}; nothing is heard until it is back, the capture goes on"))

        open_speaker = partial(self.devices.machine.open_speaker, settings={"latency": LATENCY_S})
        self._monitor = Monitor(tracks, open_speaker, speaker.device_id, opened, lost)

    def end_monitor(self) -> dict[str, Any]:
        """Stop playing the tracks. Return the report of that, or nothing without --monitor."""
        monitor, speaker = self._monitor, self._monitored_on
        if monitor is None:
            return {}
        monitor.close()
        found = monitor.stats
        if found.underruns:
            often = "once" if found.underruns == 1 else f"{found.underruns} times"
            self.voice.info(f"“{speaker.label}” ran out of sound {often}, {found.missed_s:.2f} s in all; the capture is whole")
        figures = {"latency": round(found.latency_s, 4), "underruns": found.underruns, "missed": round(found.missed_s, 4)}
        return {"monitor": {"deviceId": speaker.device_id, "label": speaker.label, **figures}}

    def note_silence(self, track: MediaStreamTrack, seconds: float | None) -> None:
        """Report that a microphone has been silent for ``seconds``, or None if it sounds again. Safe from any thread."""
        self.event_loop.post(partial(self._report_silence, track, seconds, now_us()))

    def _report_silence(self, track: MediaStreamTrack, seconds: float | None, at_us: int) -> None:
        if seconds is None:
            self.events.emit("sound", track, at_us)
            self.voice.info(f"{track.source_name} sounds again")
            return
        self.events.emit("silence", track, at_us, seconds=round(seconds, 3))
        self.voice.warn(
            f"{track.source_name} has been silent for {seconds:.3g} s; check that it is the right one and not muted"
        )

    def _check_fallback(self, wanted: Sequence[Wanted]) -> None:
        """Warn if ``--fallback`` has no effect."""
        for one in wanted if self.options.fallback else ():
            device_id, noun = exact_device(one.constraints), device_noun(KINDS[one.kind])
            if device_id:
                self.voice.warn(f"ignoring --fallback for the {noun}: it is named exactly ({device_id})")

    @property
    def _timeouts(self) -> dict[str, Any]:
        return {"timeout_s": self.options.timeout} if self.options.timeout else {}

    def wait_for(self, call: Callable[[], T], release: Callable[[T], object] = lambda _: None) -> T:
        """Return the result of a call to devices, unless a signal interrupts it: see ``Stopper.wait_for``."""
        return self.stopper.wait_for(call, release)

    def _follow(self, track: MediaStreamTrack) -> None:
        for error in track.passed_over:
            self.voice.warn(f"{error}; using {track.source_name} instead")
        self.voice.info(_described(track))
        for one in track.unusable:
            self.voice.detail(f"cannot use {one.what} of {track.source_name}: {one.why}")
        for clause in track.unmet_wishes:
            self.voice.warn(f"{track.source_name} {clause}")
        self.events.emit("settings", track, settings=track.get_settings())
        self._known[track] = dict(track.settings)
        for name in track.EVENTS:
            track.add_event_listener(name, self._on_track_event)

    def _follow_devices(self) -> None:
        """Report devices that come and go to --events."""
        if self.events.written:
            from mscli.cli.change import Follower

            self._follower = Follower(self.devices, self.event_loop, self._on_device_change)

    def _on_device_change(self, change: DeviceListChange) -> None:
        self.events.emit("devicechange", None, change.at_us, **change.to_json())

    def report_motion(self, track: MediaStreamTrack, moving: bool, share: float, at_us: int) -> None:
        """Report that motion has begun or ended. Safe from any thread."""
        self.event_loop.post(lambda: self.events.emit("motion", track, at_us, active=moving, share=round(share, 4)))

    def report_settings(self, track: MediaStreamTrack) -> None:
        """Report a track's settings after a command has changed them."""
        self._tell(self.told_change(track))
        self.events.emit("settings", track, settings=track.get_settings())

    def _on_track_event(self, event: Event) -> None:
        if threading.current_thread() is not threading.main_thread():  # from a command of the control channel
            self.event_loop.post(partial(self._on_track_event, event))
            return
        track = event.target
        assert isinstance(track, MediaStreamTrack), "only tracks are followed"
        self.events.emit(_LOGGED_AS.get(event.type, event.type), track, event.time, **event.detail)
        reason = event.detail.get("reason", "")
        if event.type == "ended":
            self.ended.append(track)
            if self.over:
                self.voice.end_with(reason)
                return
        if event.type == "warning":
            self.voice.warn(reason)
        else:
            self._tell(_SENTENCES[event.type](self, track, reason) if event.type in _SENTENCES else reason)

    def told_change(self, track: MediaStreamTrack) -> str:
        """Return a sentence about what is new in a track's settings: its controls, or else how it is set now."""
        if track not in self._known:
            return ""
        now, before = dict(track.settings), self._known[track]
        self._known[track] = now
        controls = {name: value for name, value in controls_in(now).items() if before.get(name) != value}
        if not controls or mode_in(now) != mode_in(before):
            return f"changed: {_described(track)}"
        return f"changed: {track.source_name}: {', '.join(f'{name} {_written(value)}' for name, value in controls.items())}"

    def _tell(self, sentence: str) -> None:
        if sentence:
            self.voice.info(sentence)

    def _muted_sentence(self, track: MediaStreamTrack, reason: str) -> str:
        """Say that a track is muted, and what the output has meanwhile."""
        if not self.filling:
            return reason
        what, until = ("black", "they return") if track.kind == VIDEO else ("silence", "it returns")
        until = f" until {until}" if reason.startswith(NOTHING_COMES) else " meanwhile"
        return f"{reason}; {self.filling} {what}{until}"

    def enable_gc(self) -> None:
        """Enable garbage collection after the start, but exclude the objects created so far."""
        keep_freed_memory()
        gc.freeze()
        gc.enable()

    def show_tracks(self, to_stderr: bool) -> None:
        """Print the tracks and their settings at the start, with --json -v."""
        if self.options.json and self.options.verbose:
            entry = {"tracks": [_track_json(track) for track in self.tracks]}
            if to_stderr:
                self.voice.data(json_text(entry, sys.stderr))
            else:
                print(json_text(entry, sys.stdout), flush=True)  # noqa: T201

    def check_source(self, frames: int) -> None:
        """Raise the error of a device that ended before it delivered anything."""
        errors: list[DOMException] = [track.ended_error for track in self.tracks if track.ended_error is not None]
        if errors and not frames:
            raise errors[0]


def _stop_all(stream: MediaStream) -> None:
    for track in stream.get_tracks():
        track.stop()


def _unknown(path: str) -> str:
    *above, name = path.split(".")
    known = RANGE_MEMBERS if above and above[-1] in PROPERTIES else tuple(PROPERTIES) if above else tuple(KINDS)
    return f"unknown {'constraint' if above else 'kind of track'} “{name}”{did_you_mean(name, known)}"


def _written(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _described(track: MediaStreamTrack) -> str:
    native = f", {track.pixel_format}" if track.pixel_format else ""
    mode = track.mode or {}
    reshaped = describe_reshaping(track.settings, mode["width"], mode["height"]) if mode else ""
    noun = track.settings.get(DISPLAY_SURFACE) or track.source_noun
    return f"{noun} “{track.label}”: {describe_settings(track.settings)}{native}{f', {reshaped}' if reshaped else ''}"


def _track_json(track: MediaStreamTrack) -> dict[str, Any]:
    mode = {"mode": track.mode} if track.mode else {}
    described = {"kind": track.kind, "label": track.label, "settings": track.get_settings()}
    return {**described, "constraints": track.get_constraints(), **mode}


def chosen_format(choice: Choice) -> TrackFormat:
    """Return what is known about a chosen track before its first frame."""
    return TrackFormat(choice.kind, choice.selection.settings, choice.mode.pixel_format if choice.mode else "")


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
    entry = {"deviceId": candidate.box.device.device_id, "derived": bool(candidate.box.backing), **mode}
    if candidate.settings is None:
        return {**entry, "excludedBy": candidate.excluded_by}
    return {
        **entry,
        "settings": candidate.settings,
        "distance": candidate.distance,
        "distances": dict(candidate.distances or {}),
    }


_SENTENCES: Mapping[str, Callable[[Session, MediaStreamTrack, str], str]] = {  # event → what people read, from its reason
    "mute": Session._muted_sentence,
    "overconstrained": lambda *_: "",  # the track is muted for the same reason
    "unmute": lambda _, track, __: f"“{track.label}” is back: {describe_settings(track.settings)}",
    "configurationchange": lambda session, track, __: session.told_change(track),
}


class CameraSettings:
    """The controls of the cameras of a run: saves them, and restores them at the end.

    ``save_to``: a file for them, or "". ``restores``: whether they go back.
    The file is a ``MediaStreamConstraints`` object, which --constraints takes.
    """

    def __init__(self, save_to: str, *, restores: bool, warn: Callable[[str], object]) -> None:
        self._save_to, self._restores, self._warn = save_to, restores, warn
        self._before: dict[str, dict[str, Any]] = {}  # controls by deviceId

    def note(self, choices: Sequence[Choice]) -> None:
        """Note the controls before the chosen cameras are opened."""
        for choice in choices:
            if choice.kind == VIDEO:
                self._before.setdefault(choice.device.device_id, dict(choice.selection.box.kept))

    def finish(self, tracks: Sequence[MediaStreamTrack]) -> None:
        """Save and restore the controls of the cameras that are still open."""
        cameras = [track for track in tracks if track.kind == VIDEO and track.ready_state == "live"]
        if self._save_to and cameras:
            self._save(cameras[0])
        for track in cameras if self._restores else ():
            now = controls_in(track.current_settings)
            before = self._before.get(track.get_settings()["deviceId"], {})
            changed = {name: before[name] for name in now if name in before and before[name] != now[name]}
            try:
                track.set_controls(changed)
            except DOMException as error:
                self._warn(f"the controls of {track.source_name} could not be restored: {error}")

    def _save(self, track: MediaStreamTrack) -> None:
        """Write the file as a whole, or to stdout. Raises OperationError."""
        import json

        text = json.dumps({"video": controls_in(track.current_settings)}, indent=2) + "\n"
        if self._save_to == "-":
            print(text, end="", flush=True)  # noqa: T201
        else:
            write_file(self._save_to, text.encode())


# https://man7.org/linux/man-pages/man3/mallopt.3.html
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 64 * 1024 * 1024  # how much free memory the heap keeps
_BLOCK_BYTES = 32 * 1024 * 1024  # the largest block allocated from the heap: glibc's maximum


def keep_freed_memory() -> None:
    """Configure the C library to keep the memory that one frame frees for the next one. Do nothing if it cannot.

    It would return large blocks to the system, which hands them out again page by page, zeroed. For a 1080p frame that is
    scaled, this takes as long as the scaling itself.
    """
    if sys.platform != "linux":
        return
    import ctypes

    with suppress(AttributeError, OSError):  # not glibc
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _BLOCK_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
