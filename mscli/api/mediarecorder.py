"""MediaRecorder and BlobEvent: a stream into a container. https://www.w3.org/TR/mediastream-recording/"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from threading import Lock, Thread, current_thread
from typing import Any, BinaryIO, cast

from mscli.api.blob import Blob
from mscli.api.mediastream import MediaStream
from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.errors import ArgumentError, InvalidStateError, NotSupportedError
from mscli.core.events import Event, EventTarget, required_member
from mscli.core.frames import Counts, Frame
from mscli.core.mailbox import Lane, Mailbox
from mscli.core.window import Pauses, Window
from mscli.sinks import SinkRow, load_sink, mime_supported, row_for_mime
from mscli.sinks.base import Sink, SinkOptions, TrackFormat

AUDIO_BITS = 128_000
VIDEO_BITS = 2_500_000
_DEFAULT_TYPES = {True: "video/webm", False: "audio/webm"}  # by whether there is a video track
_LOOK_S = 0.2  # how often a recorder without frames looks at the clock
_LATE_US = MICROSECONDS  # a track that stalls may hold a recording of fixed duration so long past its end


class BlobEvent(Event):
    """A piece of the recording: ``data`` (a Blob) and ``timecode`` (milliseconds, of its first frame)."""

    def __init__(self, type: str, init: Mapping[str, Any]) -> None:  # noqa: A002 (the standard's name)
        self.data: Blob = required_member("BlobEvent", init, "data")
        self.timecode = float(init.get("timecode", 0))
        super().__init__(type)


class _Pieces:
    """A writable file whose content is handed out piece by piece. Bound: what one timeslice writes, or the whole recording."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._lock = Lock()

    def write(self, data: bytes) -> int:
        with self._lock:
            self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        with self._lock:
            parts, self._parts = self._parts, []
        return b"".join(parts)


class MediaRecorder(EventTarget):
    """Records the tracks that a stream has at ``start``, on a thread of its own.

    ``options``: mimeType, audioBitsPerSecond, videoBitsPerSecond, bitsPerSecond. Beyond the standard: ``file`` (a path) takes
    the recording in place of the ``dataavailable`` events, whose data are empty then; ``sink_options`` say how; ``window``
    (seconds, frames) ends it. Raises NotSupportedError for a type that cannot be recorded.
    """

    EVENTS = ("start", "stop", "dataavailable", "pause", "resume", "error")

    def __init__(
        self,
        stream: MediaStream,
        options: Mapping[str, Any] | None = None,
        *,
        file: str | None = None,
        row: SinkRow | None = None,
        sink_options: SinkOptions | None = None,
        window: tuple[float | None, int | None] = (None, None),
    ) -> None:
        super().__init__()
        if not isinstance(stream, MediaStream):
            raise ArgumentError("MediaRecorder: a MediaStream is needed")
        given = dict(options or {})
        self.stream = stream
        self.mime_type = str(given.get("mimeType", ""))
        self.state = "inactive"
        self.error: Exception | None = None  # why it ended, if not as asked
        self.audio_bits_per_second, self.video_bits_per_second = _bit_rates(given)
        self.counts: list[Counts] = []  # what was written, per track
        self.tracks: list[MediaStreamTrack] = []
        self.first_us: list[int | None] = []
        self.reason = ""
        self._options = _sink_options(given, sink_options or SinkOptions())
        self._row = row
        self._file = file
        self._window_limits = window
        self._pauses = Pauses()
        self._pieces = _Pieces()
        self._sink: Sink | None = None
        self._thread: Thread | None = None
        self._mailbox = Mailbox()
        self._lanes: list[Lane] = []
        self._slice_us: int | None = None
        self._due_us = 0
        if self.mime_type and not mime_supported(self.mime_type):
            raise NotSupportedError(f"“{self.mime_type}” cannot be recorded here")

    @staticmethod
    def is_type_supported(mime_type: str) -> bool:
        """Whether recordings of that MIME type, with its ``codecs``, can be made; the empty string always can."""
        return not mime_type or mime_supported(mime_type)

    @property
    def bytes_written(self) -> int:
        """Bytes of the recording so far."""
        return self._sink.bytes_written if self._sink else 0

    @property
    def dropped(self) -> list[int]:
        """Per track, frames (samples per channel) dropped because the encoder could not keep up."""
        return [lane.dropped for lane in self._lanes]

    def start(self, timeslice: int | None = None) -> None:
        """Begin. ``timeslice``: milliseconds after which a ``dataavailable`` comes each time.

        Raises InvalidStateError unless inactive, NotSupportedError when there is no live track or the type does not hold them,
        OperationError when the file cannot be made.
        """
        if self.state != "inactive":
            raise InvalidStateError(f"the recorder is {self.state}")
        self.tracks = [track for track in self.stream.get_tracks() if track.ready_state == "live"]
        if not self.tracks:
            raise NotSupportedError("the stream has no live track to record")
        self.join()  # a recording that was stopped may still be written
        self._sink, self.error, self.reason = self._open_sink(), None, ""
        self.counts = [Counts() for _ in self.tracks]
        self.first_us = [None for _ in self.tracks]
        self._mailbox, self._pauses = Mailbox(), Pauses()
        self._lanes = [track.open_lane(self._mailbox) for track in self.tracks]
        self._slice_us = None if timeslice is None else max(1, timeslice) * 1000
        self._due_us = now_us() + (self._slice_us or 0)
        self.state = "recording"
        self._thread = Thread(target=self._run, name="mscli-recorder", daemon=True)
        self._post(Event("start"))
        self._thread.start()

    def stop(self) -> None:
        """End: what was captured before is written, then ``dataavailable`` and ``stop`` come. Nothing if inactive."""
        if self.state != "inactive":
            self.state = "inactive"
            self._close_lanes()

    def abandon(self) -> None:
        """End at once: what was captured but not written yet is given up. The file is finished all the same."""
        for lane in self._lanes:
            self._mailbox.remove(lane)
        self.stop()

    def pause(self) -> None:
        """Leave out what comes until ``resume``. Raises InvalidStateError if inactive."""
        self._check_active()
        if self.state == "recording":
            self.state = "paused"
            self._pauses.begin(now_us())
            self._post(Event("pause"))

    def resume(self) -> None:
        """Go on, without a gap in the recording's time. Raises InvalidStateError if inactive."""
        self._check_active()
        if self.state == "paused":
            self.state = "recording"
            self._pauses.end(now_us())
            self._post(Event("resume"))

    def request_data(self) -> None:
        """Have what was recorded since the last time come as ``dataavailable``. Raises InvalidStateError if inactive."""
        self._check_active()
        self._post_data()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until the recording is finished after ``stop`` or by itself; False if it is not in time."""
        thread = self._thread
        if thread is None or thread is current_thread():
            return True
        thread.join(timeout_s)
        return not thread.is_alive()

    def _check_active(self) -> None:
        if self.state == "inactive":
            raise InvalidStateError("the recorder is inactive")

    def _open_sink(self) -> Sink:
        mime_type = self.mime_type or _DEFAULT_TYPES[any(track.kind == "video" for track in self.tracks)]
        row, video_codec, audio_codec = (self._row, "", "") if self._row else row_for_mime(mime_type)
        options = self._options._replace(
            video_codec=self._options.video_codec or video_codec,
            audio_codec=self._options.audio_codec or audio_codec,
        )
        assert row is not None, "row_for_mime raises for what it does not know"
        sink = load_sink(row, self._file if self._file is not None else cast(BinaryIO, self._pieces), options)
        sink.open([TrackFormat(track.kind, track.get_settings(), track.pixel_format) for track in self.tracks])
        self.mime_type = self.mime_type or mime_type
        return sink

    # On the recorder's thread

    def _run(self) -> None:
        assert self._sink is not None, "start opened it"
        try:
            self._record(self._sink)
            self._close_lanes()
            self._sink.close()
            for track, counts in enumerate(self.counts):
                counts.correct(self._sink.corrections(track))
                counts.bytes = self._sink.track_bytes(track)
        except Exception as error:  # whatever it is, the recorder says that it has stopped
            self.error = error
            self._close_lanes()
            self._sink.abort()
        self.state = "inactive"
        self._post_end()

    def _record(self, sink: Sink) -> None:
        window = Window([track.kind for track in self.tracks], *self._window_limits)
        while not window.over:
            taken = self._mailbox.take(_LOOK_S)
            if taken is not None:
                self._write(sink, window, self._lanes.index(taken.lane), taken.frame)
            elif self._mailbox.finished:
                return
            elif self._overdue(window):
                self.reason = "ended"
                return
            if self._slice_us is not None and now_us() >= self._due_us:
                self._due_us += self._slice_us
                self._post_data()
        self.reason = window.reason or "duration"

    def _overdue(self, window: Window) -> bool:
        """Whether a recording that no frame comes for is past its end: a track stalls."""
        placed_us = self._pauses.place(now_us())
        return window.end_us is not None and placed_us is not None and placed_us > window.end_us + _LATE_US

    def _write(self, sink: Sink, window: Window, track: int, frame: Frame) -> None:
        placed_us = self._pauses.place(frame.timestamp)
        if placed_us is None:
            return
        shown = frame if placed_us == frame.timestamp else replace(frame, timestamp=placed_us)
        admitted = window.admit(track, shown)
        if admitted is not None:
            if self.first_us[track] is None:
                self.first_us[track] = admitted.timestamp
            sink.write(track, admitted)
            self.counts[track].note(admitted)

    # Events, on the thread that runs them

    def _post(self, event: Event) -> None:
        self.tracks[0].live.post(lambda: self.dispatch_event(event))

    def _post_data(self) -> None:
        self._post(BlobEvent("dataavailable", {"data": Blob(self._pieces.take(), self.mime_type)}))

    def _post_end(self) -> None:
        if self.error is not None:
            self._post(Event("error", error=self.error))
        self._post_data()
        self._post(Event("stop"))

    def _close_lanes(self) -> None:
        for track, lane in zip(self.tracks, self._lanes, strict=True):
            track.close_lane(lane)


def _bit_rates(given: Mapping[str, Any]) -> tuple[int, int]:
    """Audio and video bits per second in effect: ``bitsPerSecond`` overrides the two, a tenth of it going to the sound."""
    total = given.get("bitsPerSecond")
    if total is not None:
        audio = max(1, min(AUDIO_BITS, int(total) // 10))
        return audio, max(1, int(total) - audio)
    return int(given.get("audioBitsPerSecond", AUDIO_BITS)), int(given.get("videoBitsPerSecond", VIDEO_BITS))


def _sink_options(given: Mapping[str, Any], options: SinkOptions) -> SinkOptions:
    """The bit rates that were asked for; those that were not leave the sink its constant quality."""
    audio, video = _bit_rates(given)
    asked = "bitsPerSecond" in given
    if asked or "audioBitsPerSecond" in given:
        options = options._replace(audio_bits_per_second=audio)
    if asked or "videoBitsPerSecond" in given:
        options = options._replace(video_bits_per_second=video)
    return options
