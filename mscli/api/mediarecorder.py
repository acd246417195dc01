"""MediaRecorder: record a stream into a container. https://www.w3.org/TR/mediastream-recording/#mediarecorder-api

Instead of the standard's UnknownError, errors are the actual ones, such as OperationError for a full disk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from os import PathLike, fspath
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self, cast

from mscli.api.blob import Blob
from mscli.api.listening import listening_of
from mscli.api.mediastream import MediaStream
from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.api.recording import Callbacks, GroupPlan, Plan, Recording, Slices, check_room
from mscli.core.addresses import masked, scheme_of, suffix_of
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.codecs import AUDIO_BITS_PER_CHANNEL
from mscli.core.errors import ArgumentError, InvalidModificationError, InvalidStateError, NotSupportedError
from mscli.core.events import Event, EventTarget, Handler, required_member
from mscli.core.readonly import ReadOnly
from mscli.core.tuples import NamedTuple
from mscli.core.webidl import double, to_string, unsigned_long
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.sinks import (
    SinkPlan,
    SinkRow,
    add_to,
    are_one,
    in_series,
    load_sinks,
    mime_supported,
    next_name,
    own_options,
    row_for_mime,
    shares,
    sink_row,
    spell_mime,
)
from mscli.sinks.base import Sink

# https://www.w3.org/TR/mediastream-recording/#blobevent-section


class BlobEvent(Event):
    """An event with a slice of a recording, ``data``. ``timecode``: milliseconds since the start of the first slice.

    See https://www.w3.org/TR/mediastream-recording/#blobevent-section. Does not differ from the standard.
    """

    data = ReadOnly[Blob]()
    timecode = ReadOnly[float]()

    def __init__(self, type: str, init: Mapping[str, Any]) -> None:  # noqa: A002 (the standard's name)
        self._data: Blob = required_member("BlobEvent", init, "data")
        if not isinstance(self._data, Blob):
            raise ArgumentError("BlobEvent: the member “data” of the init dictionary must be a Blob")
        self._timecode = double(init.get("timecode", 0), "BlobEvent: timecode")
        super().__init__(type, init)


# https://html.spec.whatwg.org/multipage/webappapis.html#errorevent


class ErrorEvent(Event):
    """An event about a failure. ``error``: the exception, or None. ``message``: its text.

    See https://html.spec.whatwg.org/multipage/webappapis.html#errorevent. Differs from the standard: ``error`` and ``message``
    only: there is no script with lines and columns.
    """

    error = ReadOnly[Exception | None]()
    message = ReadOnly[str]()

    def __init__(self, type: str, init: Mapping[str, Any] | None = None) -> None:  # noqa: A002 (the standard's name)
        given = init or {}
        self._error: Exception | None = given.get("error")
        self._message = str(given.get("message", ""))
        super().__init__(type, init)


# https://www.w3.org/TR/mediastream-recording/#mediarecorderoptions-section

AUDIO_BITS = 2 * AUDIO_BITS_PER_CHANNEL  # the defaults, per second
VIDEO_BITS = 2_500_000

_BITRATE_MODES = ("constant", "variable")
_NUMBERS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "audioBitsPerSecond": ("audio_bits_per_second", unsigned_long),
    "videoBitsPerSecond": ("video_bits_per_second", unsigned_long),
    "bitsPerSecond": ("bits_per_second", unsigned_long),
    "videoKeyFrameIntervalDuration": ("key_frame_duration_ms", lambda value: double(value, "videoKeyFrameIntervalDuration")),
    "videoKeyFrameIntervalCount": ("key_frame_count", unsigned_long),
}


class RecorderOptions(NamedTuple):
    """The members of a ``MediaRecorderOptions`` dictionary, or None if missing."""

    mime_type: str = ""
    audio_bits_per_second: int | None = None
    video_bits_per_second: int | None = None
    bits_per_second: int | None = None
    key_frame_duration_ms: float | None = None
    key_frame_count: int | None = None

    @classmethod
    def convert(cls, value: Any) -> RecorderOptions:
        """Convert the dictionary by WebIDL's rules: every bit rate is valid, ``"x"`` becomes 0. Raises TypeError."""
        if value is not None and not isinstance(value, Mapping):
            raise ArgumentError("MediaRecorder: the options must be an object")
        given: Mapping[str, Any] = value or {}
        if "audioBitrateMode" in given and to_string(given["audioBitrateMode"]) not in _BITRATE_MODES:
            raise ArgumentError(f"MediaRecorder: audioBitrateMode must be one of {', '.join(_BITRATE_MODES)}")
        numbers = {member: convert(given[name]) for name, (member, convert) in _NUMBERS.items() if name in given}
        return cls(to_string(given.get("mimeType", "")), **numbers)

    def bit_rates(self, kinds: Sequence[str] = ("audio", "video"), channels: int = 2) -> tuple[int, int]:
        """Return the bits per second of audio and video for tracks of these kinds. ``bitsPerSecond`` is their sum.

        ``channels``: of the sound, which decide the usual rate.
        """
        total = self.bits_per_second
        if total is None:
            usual = AUDIO_BITS_PER_CHANNEL * channels
            return _default(self.audio_bits_per_second, usual), _default(self.video_bits_per_second, VIDEO_BITS)
        if len(set(kinds)) == 1:
            return (total, 0) if "audio" in kinds else (0, total)
        audio = max(1, min(AUDIO_BITS, total // 10))
        return audio, max(1, total - audio)

    def applied_to(self, sink: SinkOptions, kinds: Sequence[str], video_codec: str, audio_codec: str) -> SinkOptions:
        """Return the sink options for these kinds of tracks. Options that the sink has already take precedence.

        If nobody requested a bit rate, or requested 0 (also as the sum), the encoder chooses.
        """
        total = self.bits_per_second or None
        audio, video = self._replace(bits_per_second=total).bit_rates(kinds)
        return sink._replace(
            video_codec=sink.video_codec or video_codec,
            audio_codec=sink.audio_codec or audio_codec,
            audio_bits_per_second=_asked(total, self.audio_bits_per_second, audio) or sink.audio_bits_per_second,
            video_bits_per_second=_asked(total, self.video_bits_per_second, video) or sink.video_bits_per_second,
            key_frame_s=sink.key_frame_s if (ms := self.key_frame_duration_ms) is None else max(0.0, ms / 1000),
            key_frame_count=sink.key_frame_count if self.key_frame_count is None else self.key_frame_count,
        )


def _default(rate: int | None, usual: int) -> int:
    return usual if rate is None else rate


def _asked(total: int | None, own: int | None, rate: int) -> int | None:
    return None if total is None and own is None else rate


RecordingState = Literal["inactive", "recording", "paused"]

_DEFAULT_TYPES = {True: "video/webm", False: "audio/webm"}  # whether there is a video track → type


class RecorderOutput(NamedTuple):
    """A target of a recording: a path or a descriptor, or None for ``dataavailable`` events.

    ``row``: the container; by default that of the recorder's type. ``options``: the sink options; by default the recorder's.
    """

    file: str | int | None
    row: SinkRow | None = None
    options: SinkOptions | None = None

    @classmethod
    def of(cls, given: RecorderOutput | str | PathLike[str]) -> RecorderOutput:
        """Return the output. The suffix of a path determines its container. Raises NotSupportedError if it does not."""
        if isinstance(given, RecorderOutput):
            return given._replace(file=_target(given.file))
        name = fspath(given)
        return cls(name, sink_row(name, "audio", "video"))


def _target(file: str | PathLike[str] | int | None) -> str | int | None:
    """Return a path as a string. Raises TypeError if it is neither that nor a descriptor."""
    return file if file is None or isinstance(file, int) else fspath(file)


def _format(track: MediaStreamTrack) -> TrackFormat:
    return TrackFormat(track.kind, track.current_settings, track.pixel_format, track.label, paced=track.paced)


class MediaRecorder(EventTarget):
    """A recorder of the tracks that a stream has at ``start``. It works on its own thread.

        import mscli

        with mscli.MediaDevices() as devices:
            stream = devices.get_user_media({"audio": True, "video": {"width": 640}})
            recorder = mscli.MediaRecorder(stream, file="clip.mkv", window=(0.5, None))
            recorder.start()
            recorder.join()

    ``options``: a ``MediaRecorderOptions`` dictionary. Beyond the standard: ``file`` is a path, a descriptor, or an address of
    a server or of what another package writes to. It receives the recording, and the ``dataavailable`` events are empty.
    ``row`` determines the container, or else ``mimeType``, or else the suffix of the file. A type that contradicts the suffix
    is not supported.

    ``outputs``, in addition to ``file`` or in place of it: paths with suffixes that determine the containers, or
    ``RecorderOutput`` objects. Outputs with the same encoding share it. An output that fails affects no other and fires
    ``outputerror``. ``sink_options`` apply to all outputs. ``window`` (seconds, frames) limits the recording. With ``defer``,
    ``start`` does not wait for the reader of a named pipe. A server fires ``publishing``, ``interrupted`` and ``resumed``. A
    ``segment`` event fires for each finished file of a series. As a context manager, it starts, and at the end stops and waits
    until everything is written. Raises TypeError, and NotSupportedError for a type that cannot be recorded.

    See https://www.w3.org/TR/mediastream-recording/#mediarecorder-api. Differs from the standard: it also writes into files and
    other outputs, and ``stop`` and ``join`` raise what failed if nobody listens to ``error``.
    """

    EVENTS = ("start", "stop", "dataavailable", "pause", "resume", "error")

    onstart: Handler
    onstop: Handler
    ondataavailable: Handler
    onpause: Handler
    onresume: Handler
    onerror: Handler

    stream = ReadOnly[MediaStream]()
    state = ReadOnly[RecordingState]()
    video_bits_per_second = ReadOnly[int]()
    audio_bits_per_second = ReadOnly[int]()
    audio_bitrate_mode = ReadOnly[str]()

    def __init__(
        self,
        stream: MediaStream,
        options: Mapping[str, Any] | None = None,
        *,
        file: str | PathLike[str] | int | None = None,
        outputs: Sequence[RecorderOutput | str | PathLike[str]] = (),
        row: SinkRow | None = None,
        sink_options: SinkOptions | None = None,
        window: tuple[float | None, int | None] = (None, None),
        defer: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(stream, MediaStream):
            raise ArgumentError("MediaRecorder needs a MediaStream")
        self._options = RecorderOptions.convert(options)
        if not self.is_type_supported(self._options.mime_type):
            raise NotSupportedError(f"cannot record the type “{self._options.mime_type}”")
        self._stream = stream
        self._announced: Recording | None = None  # from the event ``start`` on until the recording stops
        self._state: RecordingState = "inactive"
        self._set_bit_rates()
        self._audio_bitrate_mode = "variable"  # the encoders' only mode; the standard permits that
        self._sink_options = sink_options or SinkOptions()
        more = [RecorderOutput.of(one) for one in outputs]
        self._asked = more if file is None and more and row is None else [RecorderOutput(_target(file), row), *more]
        for one in self._asked:
            self._check_type(one)
        _check_once([one.file for one in self._asked], series=self._sink_options.series is not None)
        self._window = window
        self._defer = defer
        self._shared: dict[str, Any] = {}  # by the sinks of the latest recording
        self.recording: Recording | None = None  # the latest one, also after its end
        self._reported: Recording | None = None  # the latest one whose error was raised or went to a listener

    def __repr__(self) -> str:
        files = ", ".join("memory" if one.file is None else masked(str(one.file)) for one in self._asked)
        return f"<MediaRecorder {self.state} → {files}>"

    def __enter__(self) -> Self:
        """Start, unless it has been started."""
        if self._state == "inactive":
            self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop, and wait until everything is written. Raises the error of a recording that has failed, as ``join`` does."""
        try:
            self.stop()
            self.join()
        except Exception:
            if kind is None:
                raise

    @property
    def mime_type(self) -> str:
        """Return the requested type, or during a recording its actual container and codecs."""
        return self._options.mime_type if self._announced is None else self._announced.mime_type

    @staticmethod
    def is_type_supported(type: str) -> bool:  # noqa: A002 (the standard's name)
        """Return whether this MIME type, with its ``codecs``, can be recorded. The empty string always can."""
        text = to_string(type)
        return not text or mime_supported(text)

    def start(self, timeslice: int | None = None) -> None:
        """Begin. ``timeslice``: the length of the slices in ``dataavailable`` events, in milliseconds.

        Raises InvalidStateError unless inactive, NotSupportedError if there is no live track or the type cannot hold the
        tracks, OperationError if the file cannot be created.
        """
        if self._state != "inactive":
            raise InvalidStateError(f"the recorder is {self._state}")
        tracks = [track for track in self._stream.get_tracks() if track.ready_state == "live"]
        if not tracks:
            raise NotSupportedError("the stream has no live track")
        if self._options.key_frame_duration_ms is not None and self._options.key_frame_count is not None:
            raise NotSupportedError("choose either videoKeyFrameIntervalDuration or videoKeyFrameIntervalCount")
        self._join()  # the previous recording may still be writing
        self.recording = self._prepare(tracks, None if timeslice is None else max(1, unsigned_long(timeslice)) * 1000)
        self._set_bit_rates(_kinds(tracks))
        self._state = "recording"
        self._recorded = tracks
        self._stream.watchers.add(self._on_tracks_changed)
        self._post(self.recording, self._fire_start)
        self.recording.start()

    def stop(self) -> None:
        """End the recording and write captured frames. Then ``dataavailable`` and ``stop`` fire. Does nothing if inactive.

        Raises the error of a recording that has failed by now, as ``join`` does.
        """
        if self._state != "inactive" and self.recording is not None:
            self.recording.finish()
            self._inactivate()
        self._raise_failure()

    def abandon(self) -> None:
        """End the recording now. Captured frames that are not written yet are dropped. The file is still finished."""
        if self.recording is not None:
            self.recording.abandon()
        self._inactivate()

    def pause(self) -> None:
        """Leave out frames until ``resume``. Raises InvalidStateError if inactive."""
        recording = self._active
        if self._state == "recording":
            self._state = "paused"
            recording.pauses.begin(now_us())
            self._post(recording, lambda _: self.fire(Event("pause")))

    def resume(self) -> None:
        """Continue without a gap in the recording's time. Raises InvalidStateError if inactive."""
        recording = self._active
        if self._state == "paused":
            self._state = "recording"
            recording.pauses.end(now_us())
            self._post(recording, lambda _: self.fire(Event("resume")))

    def trigger(self, times: int = 1) -> None:
        """Begin ``times`` files of a triggered series (beyond the standard). A trigger after the end counts as missed.

        Raises InvalidStateError if there is no triggered series.
        """
        series = self._sink_options.series
        if self.recording is None or series is None or not series.triggered:
            raise InvalidStateError("this recording has no trigger", hints=["start it with --trigger"])
        self.recording.trigger(times)

    def request_data(self) -> None:
        """Fire ``dataavailable`` with everything since the last slice. Raises InvalidStateError if inactive."""
        self._on_slice(self._active)

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until the recording has ended, by ``stop`` or by itself, and is written. Return whether it is in time.

        Raises the error of a recording that has failed, once, unless somebody listens for ``error``.
        """
        written = self._join(timeout_s)
        self._raise_failure()
        return written

    def _join(self, timeout_s: float | None = None) -> bool:
        if self.recording is None:
            return True
        written = self.recording.join(timeout_s)
        if written:
            self._inactivate()
        return written

    def _raise_failure(self) -> None:
        """Raise the error of the latest recording if nobody else will learn of it."""
        recording = self.recording
        if recording is None or recording is self._reported or recording.alive or recording.error is None:
            return
        self._reported = recording
        if not self.listens("error"):
            raise recording.error

    @property
    def _active(self) -> Recording:
        """Return the current recording. Raises InvalidStateError if there is none."""
        if self._state == "inactive" or self.recording is None:
            raise InvalidStateError("the recorder is inactive")
        return self.recording

    def _inactivate(self) -> None:
        """Become inactive: https://www.w3.org/TR/mediastream-recording/#abstract-opdef-inactivate-the-recorder."""
        self._stream.watchers.discard(self._on_tracks_changed)
        self._announced = None
        self._state = "inactive"
        self._set_bit_rates()

    def _set_bit_rates(self, kinds: Sequence[str] = ("audio", "video")) -> None:
        channels = _channels(self._stream.get_tracks())
        self._audio_bits_per_second, self._video_bits_per_second = self._options.bit_rates(kinds, channels)

    def _prepare(self, tracks: list[MediaStreamTrack], slice_us: int | None) -> Recording:
        """Return a recording of these tracks with open sinks. Raises NotSupportedError, OperationError."""
        _check_pace(tracks)
        options = self._sink_options
        slices = Slices(whole=slice_us is None and len(self._asked) == 1)
        formats = [self._sink_options.filtered(_format(track)) for track in tracks]
        plans = [self._plan(one, formats, slices, alone=len(self._asked) == 1) for one in self._asked]
        held = [formats[index] for index in plans[0].tracks]
        mime_type = partial(spell_mime, plans[0].row, self._options.mime_type, plans[0].options, held)
        self._shared = {}
        groups = load_sinks(plans, self._shared)
        for number, group in enumerate(groups):
            try:
                if self._defer:
                    group.sink.defer()
                group.sink.open([formats[index] for index in group.tracks])
                if len(plans) == 1:
                    check_room(group.sink)
            except BaseException:
                for one in groups[: number + 1]:
                    one.sink.abort()
                raise
        homes = {index: (number, place) for number, group in enumerate(groups) for place, index in enumerate(group.members)}
        return Recording(
            tracks,
            [
                GroupPlan(sink, places, slices if any(self._asked[one].file is None for one in members) else None)
                for sink, places, members in groups
            ],
            [homes[index] for index in range(len(plans))],
            mime_type,
            Plan(
                *self._window,
                slice_us,
                options.deinterlace,
                options.filters,
                _lapse_us(options),
                levels=options.levels,
                listening=listening_of(options),
            ),
            Callbacks(self._on_slice, self._on_file, self._on_failure, self._on_end, self._sink_options.on_note, self._on_link),
        )

    def _plan(self, output: RecorderOutput, formats: Sequence[TrackFormat], slices: Slices, *, alone: bool) -> SinkPlan:
        """Return the plan for one output. If ``alone``, it gets all tracks, or else those that it can hold.

        Raises NotSupportedError if it can hold none.
        """
        kinds = [one.kind for one in formats]
        asked = self._options.mime_type or _DEFAULT_TYPES["video" in kinds]
        if "video" in kinds and asked.lower().startswith("audio/"):
            raise NotSupportedError(f"“{asked}” cannot hold video", hints=["record to video/webm, or record only audio tracks"])
        row, *codecs = (row, "", "") if (row := self._row_of(output, kinds)) is not None else row_for_mime(asked, output.file)
        held = [index for index, kind in enumerate(kinds) if alone or getattr(row, kind)]
        if not held:
            raise NotSupportedError(f"{row.name} files cannot hold {' or '.join(dict.fromkeys(kinds))}")
        own = own_options(row, output.file, output.options or self._sink_options)
        options = self._options.applied_to(own, [kinds[index] for index in held], *codecs)
        target = cast(BinaryIO, slices) if output.file is None else output.file
        return SinkPlan(row, target, options, tuple(held), tuple(kinds[index] for index in held))

    def add_output(self, output: RecorderOutput | str | PathLike[str], *, expand: bool = False) -> str | int | None:
        """Add an output, which begins with the next key frame. Return its file.

        ``expand``: replace a time (strftime) or a number (``%03d``) in the name, as ``mscli record`` does.
        Raises TypeError if it is an output already, NotSupportedError and OperationError as ``start`` does, and
        InvalidStateError if inactive.
        """
        recording, one = self._active, RecorderOutput.of(output)
        self._check_free(one.file)
        if (
            expand
            and isinstance(one.file, str)
            and not (one.row and one.row.writes_to(one.file))
            and not self._sink_options.series
        ):
            one = one._replace(file=next_name(one.file, overwrite=self._sink_options.overwrite))
        self._check_type(one)
        self._check_free(one.file)
        formats = [self._sink_options.filtered(_format(track)) for track in recording.tracks]
        plan = self._plan(one, formats, recording.slices, alone=False)

        def load() -> Sink:
            (group,) = load_sinks([plan], self._shared)
            group.sink.open([formats[index] for index in plan.tracks])
            return group.sink

        recording.add_output(plan.tracks, load, lambda sink: shares(sink, plan), lambda sink: add_to(sink, plan))
        self._asked = [*self._asked, one]
        return one.file

    def remove_output(self, name: str | PathLike[str]) -> None:
        """Finish one output and continue with the others. Raises InvalidStateError if it does not exist or is the only one."""
        self._active.remove_output(fspath(name), [one.file for one in self._asked])

    def check_added(self, name: str) -> None:
        """Raise TypeError if an output that is written has this name (beyond the standard)."""
        self._check_free(name)

    def _check_free(self, file: str | int | None) -> None:
        """Raise TypeError if a file is an output that is written, or may be one of its series."""
        if self._state != "inactive" and self.recording is not None:
            written = [self._asked[position].file for position in self.recording.going]
            _check_once([*written, file], series=self._sink_options.series is not None)

    def _check_type(self, output: RecorderOutput) -> None:
        """Raise NotSupportedError if the requested type contradicts the suffix of the file."""
        if output.row is None and self._options.mime_type:
            row_for_mime(self._options.mime_type, output.file)

    def _row_of(self, output: RecorderOutput, kinds: list[str]) -> SinkRow | None:
        """Return the row of a file by its suffix, or of an address, if neither a row nor a MIME type was requested."""
        file = output.file
        if output.row is not None or self._options.mime_type:
            return output.row
        if not isinstance(file, str) or not (scheme_of(file) or suffix_of(file)):
            return None
        return sink_row(file, *kinds)

    def _on_tracks_changed(self) -> None:
        if all(track.ready_state == "ended" for track in self._recorded):
            return  # the recording ends by itself: a media element takes the tracks out that it has ended
        self._active.finish(InvalidModificationError("a track was added to or removed from the stream during the recording"))

    # From the recorder's threads to the one that runs events

    def _post(self, recording: Recording, task: Callable[[Recording], None]) -> None:
        recording.tracks[0].post(partial(task, recording))

    def _on_slice(self, recording: Recording) -> None:
        recording.slices.cut()
        self._post(recording, self._fire_slice)

    def _on_file(self, recording: Recording, name: str) -> None:
        self._post(recording, lambda _: self.fire(Event("segment", file=name)))

    def _on_link(self, recording: Recording, event: str, detail: Mapping[str, Any]) -> None:
        at_us = now_us()
        self._post(recording, lambda _: self.fire(Event(event, time=at_us, **detail)))

    def _on_failure(self, recording: Recording, output: Any, error: Exception) -> None:
        self._post(recording, lambda _: self.fire(Event("outputerror", file=output.name, error=error)))

    def _on_end(self, recording: Recording) -> None:
        recording.slices.cut(last=True)
        self._post(recording, self._fire_end)

    def _fire_start(self, recording: Recording) -> None:
        self._announced = recording
        self.fire(Event("start"))

    def _fire_slice(self, recording: Recording) -> None:
        data, timecode = recording.slices.take()
        self.fire(BlobEvent("dataavailable", {"data": Blob(data, recording.mime_type), "timecode": timecode}))

    def _fire_end(self, recording: Recording) -> None:
        if recording is self.recording:  # not if the next one has started already
            self._inactivate()
        if recording.error is not None:
            self.fire(ErrorEvent("error", {"error": recording.error, "message": str(recording.error)}))
        self._fire_slice(recording)
        self.fire(Event("stop"))


def _check_once(files: Sequence[str | int | None], *, series: bool) -> None:
    """Raise TypeError if two outputs are the same file. ``series``: each is a series, which may include another output."""
    for index, one in enumerate(files):
        for other in files[:index]:
            if one is other is None or (one is not None and other is not None and are_one(one, other)):
                raise ArgumentError(
                    f"MediaRecorder: {masked(str(other))} and {masked(str(one))} are the same output; name each output once"
                )
            if series and isinstance(one, str) and isinstance(other, str) and (in_series(other, one) or in_series(one, other)):
                raise ArgumentError(f"MediaRecorder: {other} and {one} may name the same file; use different names")


_ONE_BY_ONE = ": --no-audio leaves out sound, --no-video the picture"


def _check_pace(tracks: Sequence[MediaStreamTrack]) -> None:
    """Raise NotSupportedError if some tracks are paced by their readers and others are not: they share no clock."""
    live = next((track for track in tracks if not track.paced), None)
    paced = next((track for track in tracks if track.paced), None)
    if live is not None and paced is not None:
        raise NotSupportedError(
            f"{paced.source_name} waits for its readers and {live.source_name} does not, so they cannot be in one recording",
            hints=[
                "record them one by one" + _ONE_BY_ONE * (live.kind != paced.kind),
                "or let a file be played at its own pace, without --no-pace",
            ],
        )


def _lapse_us(options: SinkOptions) -> int | None:
    return None if options.time_lapse_s is None else round(options.time_lapse_s * MICROSECONDS)


def _kinds(tracks: list[MediaStreamTrack]) -> list[str]:
    return [track.kind for track in tracks]


def _channels(tracks: list[MediaStreamTrack]) -> int:
    """Return the channel count of the first sound, or 2 without sound."""
    return next((int(track.settings.get("channelCount") or 2) for track in tracks if track.kind == "audio"), 2)
