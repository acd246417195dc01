"""MediaElement: plays a file, an address or a stream, and captures what it plays.

https://html.spec.whatwg.org/multipage/media.html, with the members that make sense without a document.
https://www.w3.org/TR/mediacapture-fromelement/#html-media-element-media-capture-extensions and
https://w3c.github.io/mediacapture-output/#htmlmediaelement-extensions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from math import inf, isfinite, nan
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Self, cast
from weakref import ref

from mscli.api.blob import Blob
from mscli.api.elementcapture import ElementCapture
from mscli.api.elementmedia import Medium, MediumPlayer, StreamMedium, Transport, open_medium
from mscli.api.mediadevices import MediaDevices
from mscli.api.mediastream import MediaStream
from mscli.api.programs import EventOwner
from mscli.api.soundoutput import SoundOutput
from mscli.api.timeranges import TimeRanges
from mscli.core.addresses import masked
from mscli.core.blobs import address_of_bytes, revoke_address
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.errors import ArgumentError, DOMException, InvalidStateError, NotSupportedError
from mscli.core.events import Event, EventTarget, Handler
from mscli.core.frames import AudioData, VideoFrame
from mscli.core.locks import outside, shared_lock
from mscli.core.log import Log
from mscli.core.playing import FASTEST, SLOWEST
from mscli.core.properties import AUDIO, VIDEO
from mscli.core.readonly import ReadOnly
from mscli.core.threads import Thread
from mscli.media import load_tempo
from mscli.sinks import load_preview

if TYPE_CHECKING:
    from mscli.sources.track import TrackSource

_UPDATE_US = 250_000  # how often timeupdate fires
_AUDIBLE = (0.5, 4.0)  # the playback rates at which sound can be heard, as in browsers
_MOST_PICTURES = 32  # that wait for their sound to be heard
_STEP_US = 50_000  # how far stretched sound may be off its time before it is placed anew

_log = Log("element")


class MediaError(Exception):
    """An error of a media element: its ``code`` says of what kind, its ``message`` why.

    https://html.spec.whatwg.org/multipage/media.html#mediaerror. Beyond the standard: ``cause`` is the error itself.

    Does not differ from the standard.
    """

    MEDIA_ERR_ABORTED, MEDIA_ERR_NETWORK, MEDIA_ERR_DECODE, MEDIA_ERR_SRC_NOT_SUPPORTED = 1, 2, 3, 4

    code = ReadOnly[int]()
    message = ReadOnly[str]()

    def __init__(self, code: int, cause: Exception) -> None:
        self._code, self._message, self.cause = code, str(cause), cause
        super().__init__(code, cause)

    def __repr__(self) -> str:
        return f"<MediaError {self.code} “{self.message}”>"


class ElementOwner(EventOwner):
    """The owner of an element's events and captured tracks. It does not hold the element."""

    def __init__(self, element: MediaElement) -> None:
        self._element = ref(element)
        super().__init__()

    def forget(self, source: TrackSource) -> None:
        """Do nothing: the element goes on."""

    def end(self) -> None:
        """End playing."""
        element = self._element()
        if element is not None:
            element.close()


class MediaElement(EventTarget):
    """A player of a media file, of an address, or of a ``MediaStream``: the library's HTMLMediaElement. A context manager.

        with mscli.MediaElement("film.mkv") as element:
            element.play()
            element.join()

    ``src``: a path, an address (also one of ``URL.create_object_url``), or, as ``src_object``, a ``MediaStream`` or a ``Blob``.
    ``devices``: whose speakers it uses, by default this machine's. ``window``: whether its pictures are shown in a window.

    Of a stream it plays the first live track of each kind.

    Setting ``src`` begins to load it, on a thread of its own. With ``autoplay``, it plays as soon as it is loaded. Events fire
    on a thread of their own, in order. All times are seconds.

    Sound is played by the default speaker, or by the one that ``set_sink_id`` chose, unless it is ``muted``. Without a speaker,
    or if it was unplugged, playing goes on, and nothing is heard until it is there again.

    In a signal handler that interrupts a call of this element, what changes it is done after that call.

    An element that plays is held until its end. ``close`` ends it; so does the end of the program.

    See https://www.w3.org/TR/mediacapture-fromelement/#html-media-element-media-capture-extensions. Differs from the standard:
    it has no document: pictures are shown in a window if asked for, and ``play`` waits until the medium is loaded instead of
    returning a promise.
    """

    EVENTS = (
        "loadstart", "emptied", "durationchange", "loadedmetadata", "loadeddata", "canplay", "play", "playing", "pause",
        "ended", "timeupdate", "seeking", "seeked", "ratechange", "volumechange", "error",
    )  # fmt: skip
    HAVE_NOTHING, HAVE_METADATA, HAVE_CURRENT_DATA, HAVE_FUTURE_DATA, HAVE_ENOUGH_DATA = range(5)

    autoplay: bool
    loop: bool
    onloadstart: Handler
    onemptied: Handler
    ondurationchange: Handler
    onloadedmetadata: Handler
    onloadeddata: Handler
    oncanplay: Handler
    onplay: Handler
    onplaying: Handler
    onpause: Handler
    onended: Handler
    ontimeupdate: Handler
    onseeking: Handler
    onseeked: Handler
    onratechange: Handler
    onvolumechange: Handler
    onerror: Handler

    paused = ReadOnly[bool]()
    seeking = ReadOnly[bool]()
    error = ReadOnly[MediaError | None]()
    ready_state = ReadOnly[int]()

    def __init__(
        self,
        src: str | PathLike[str] | MediaStream | Blob | None = None,
        *,
        devices: MediaDevices | None = None,
        window: bool = False,
    ) -> None:
        super().__init__()
        self.autoplay = self.loop = False
        self._paused, self._seeking, self._is_ended = True, False, False
        self._error: MediaError | None = None
        self._ready_state = self.HAVE_NOTHING
        self._volume, self._muted, self._rate = 1.0, False, 1.0
        self._devices, self._owns_devices = devices, devices is None
        self._window: Any = None
        self._pictures: deque[tuple[int, VideoFrame]] = deque(maxlen=_MOST_PICTURES)  # for the window, with when it shows them
        self._shows_window = window
        self._src, self._src_object = "", cast("MediaStream | Blob | None", None)
        self._making = shared_lock()  # of the devices
        self._turn = shared_lock()  # held to change what is played; the threads that play never take it
        self._transport = Transport()
        self._medium: Medium | None = None
        self._player: MediumPlayer | None = None
        self._arrived = False  # whether the first frame of the player has come
        self._loading: object | None = None  # what is being loaded
        self._begin_us = 0  # where to begin once it is loaded
        self._captures: list[ElementCapture] = []
        self._sound = SoundOutput(lambda sink_id: self._used_devices.machine.open_speaker(sink_id))
        self._tempo: Callable[[AudioData], list[AudioData]] | None = None
        self._placed_us: int | None = None  # the time of the next sample that is stretched
        self._updated_us = 0  # when timeupdate fired last
        self._closed = False
        self._owner = ElementOwner(self)
        if isinstance(src, MediaStream | Blob):
            self.src_object = src
        elif src is not None:
            self.src = fspath(src)

    def __repr__(self) -> str:
        states = {"closed": self._closed, "failed": self.error is not None, "ended": self.ended, "paused": self.paused}
        state = next((name for name, holds in states.items() if holds), "playing")
        what = self._medium.label if self._medium is not None else masked(self._src) or "nothing"
        return f"<MediaElement “{what}” {state} at {self.current_time:.3f} s>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        owner = getattr(self, "_owner", None)
        if owner is not None:
            owner.close_events()

    def close(self) -> None:
        """Stop playing, end the captured tracks, and give the speaker and the window back.

        Call it again if you like, also in a listener.
        """
        self._in_turn(self._close)

    def _in_turn(self, work: Callable[[], None]) -> None:
        """Do work in the element's turn: now, or after the turn that a signal handler has interrupted, which calls this."""
        outside(work, "mscli-turn")

    def _close(self) -> None:
        with self._turn:
            if self._closed:
                return
            self._unload()
            self._closed = True
            self._sound.release()
            if self._window is not None:
                self._window.close()
            if self._owns_devices and self._devices is not None:
                self._devices.close()
        self._owner.stop_events()  # without the lock, which a listener may wait for

    # What is played

    @property
    def src(self) -> str:
        """Return the path or the address that was set, or "". Setting it loads it, unless there is a ``src_object``."""
        return self._src

    @src.setter
    def src(self, src: str | PathLike[str]) -> None:
        path = fspath(src)
        if not isinstance(path, str):
            raise ArgumentError(f"src is a path or an address, not {src!r}")
        self._src = path
        self.load()

    @property
    def src_object(self) -> MediaStream | Blob | None:
        """Return the stream or blob that is played in place of ``src``, or None. Setting it loads it. Raises TypeError."""
        return self._src_object

    @src_object.setter
    def src_object(self, src_object: MediaStream | Blob | None) -> None:
        if src_object is not None and not isinstance(src_object, MediaStream | Blob):
            raise ArgumentError(f"src_object is a MediaStream, a Blob or None, not {src_object!r}")
        self._src_object = src_object
        self.load()

    def load(self) -> None:
        """Stop what is played, and load what is set, from its beginning. It does not wait: see ``play``."""
        self._in_turn(self._begin_loading)

    def _begin_loading(self) -> None:
        with self._turn:
            self._check_open()
            self._unload()
            given = self._src_object
            if isinstance(given, MediaStream):
                self._post("loadstart")
                self._take_medium(StreamMedium(given))
            elif given is not None or self._src:
                self._post("loadstart")
                self._loading = token = object()
                work = partial(self._load, token, self._src if given is None else given)
                Thread(target=work, name="mscli-load", daemon=True).start()

    def _load(self, token: object, given: str | Blob) -> None:
        """Load a medium, on a thread of its own."""
        medium: Medium | None = None
        error: DOMException | None = None
        try:
            medium = _opened(self._used_devices, given)
        except DOMException as failure:
            error = failure
        except TypeError as failure:  # an address that cannot be one
            error = NotSupportedError(str(failure))
        with self._turn:
            if self._loading is not token:
                if medium is not None:
                    medium.close()
                return
            if medium is not None:
                self._take_medium(medium)
            else:
                assert error is not None, "one of both"
                self._fail(MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED, error)
            with self._transport.changed:
                self._loading = None
                self._transport.changed.notify_all()

    def _take_medium(self, medium: Medium) -> None:
        """Note that the metadata is there: https://html.spec.whatwg.org/multipage/media.html#dom-media-have_metadata."""
        self._medium, self._is_ended = medium, False
        with self._transport.changed:
            self._transport.clock.length_us = medium.length_us
            self._transport.clock.turn(self._effective_rate, now_us())
        self._ready_state = self.HAVE_ENOUGH_DATA
        self._begin_captures()
        for name in ("durationchange", "loadedmetadata", "loadeddata", "canplay"):
            self._post(name)
        begin_us, self._begin_us = self._begin_us, 0
        if begin_us:
            self._seek(begin_us)
        if self.autoplay and self._paused:
            try:
                self._begin_playing()
            except NotSupportedError as error:  # no display for the window; what cannot be played is an error already
                _log.info("does not play by itself: %s", error)

    def _unload(self) -> None:
        """Stop, and give up what is played."""
        medium, self._medium, self._loading = self._medium, None, None
        self._stop_player()
        self._end_captures()
        had_something = medium is not None or self._error is not None
        moved = bool(self.current_time)
        with self._transport.changed:
            self._transport.clock.stand(now_us())
            self._transport.clock.move(0, now_us())
            self._transport.clock.length_us = None
            self._transport.changed.notify_all()
        self._seeking, self._is_ended, self._error = False, False, None
        self._ready_state = self.HAVE_NOTHING
        self._note_paused()
        self._sound.release()
        if medium is not None:
            medium.close()
        if had_something:
            self._post("emptied")
        if moved:
            self._post("timeupdate")

    def _fail(self, code: int, error: DOMException) -> None:
        _log.info("%s", error)
        self._error, self._seeking = MediaError(code, error), False
        self._post("error")

    @property
    def _used_devices(self) -> MediaDevices:
        """Return the devices, by default those of this machine, which are looked at when they are needed.

        It takes no turn: the thread that opens the speaker needs it, and is waited for in a turn.
        """
        with self._making:
            if self._devices is None:
                self._devices = MediaDevices()
            return self._devices

    # Playing

    def play(self) -> None:
        """Play, from the beginning if it had ended. It waits until the medium is loaded, and not for what is played.

        Raises NotSupportedError if there is nothing to play, or nothing that can be (``error`` has the reason), or if there is
        no display for the window, and InvalidStateError after ``close``.
        """
        self._in_turn(self._play)

    def _play(self) -> None:
        self._wait_for_load()
        with self._turn:
            self._check_open()
            self._begin_playing()

    def _begin_playing(self) -> None:
        """Play what is loaded. Raises NotSupportedError if it cannot."""
        self._check_error()
        if self._medium is None:
            raise NotSupportedError("there is nothing to play", hints=["set src or src_object first"])
        if self._shows_window and self._window is None:
            self._window = load_preview(self._medium.label)
        with self._transport.changed:
            again, was_paused, arrived = self._is_ended, self._paused, self._arrived
            self._paused = False
        if again:
            self._is_ended = False
            self._begin_captures()
        if was_paused:
            self._post("play")
        if again and self._medium.seekable:
            self._seek(0)
        elif self._player is None:
            self._start_player()
        elif arrived and was_paused:
            with self._transport.changed:
                self._transport.clock.run(now_us())
                self._transport.changed.notify_all()
            self._post("playing")
        self._mute_captures()
        self._check_error()

    def _check_error(self) -> None:
        if self._error is not None:
            cause = self._error.cause
            raise NotSupportedError(f"cannot play: {cause}", hints=getattr(cause, "hints", ())) from cause

    def pause(self) -> None:
        """Pause. The captured tracks are muted until it plays again."""
        self._in_turn(self._pause)

    def _pause(self) -> None:
        self._wait_for_load()
        with self._turn:
            if not self._paused:
                self._paused = True
                self._stand()
                self._sound.clear()
                self._post("timeupdate", "pause")

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until it no longer plays, because it has ended or failed, or was paused or closed (beyond the standard).

        Return False if it still plays after ``timeout_s`` seconds. A listener must not wait: nothing ends while it runs.
        """
        self._wait_for_load()
        with self._transport.changed:
            return self._transport.changed.wait_for(lambda: self._paused, timeout_s)

    def _stand(self) -> None:
        with self._transport.changed:
            self._transport.clock.stand(now_us())
            self._transport.changed.notify_all()
        self._mute_captures()

    def _wait_for_load(self) -> None:
        with self._transport.changed:
            self._transport.changed.wait_for(lambda: self._loading is None)

    def _check_open(self) -> None:
        if self._closed:
            raise InvalidStateError("the media element is closed")

    @property
    def current_time(self) -> float:
        """Return the position in seconds. Setting it goes there, or to the nearest position that there is.

        What plays a stream has no position to go to. Before anything is loaded, it is where to begin. Raises TypeError for what
        is no finite number.
        """
        with self._transport.changed:
            return (self._begin_us or self._transport.clock.at_us(now_us())) / MICROSECONDS

    @current_time.setter
    def current_time(self, seconds: float) -> None:
        position_us = round(_number(seconds, "current_time") * MICROSECONDS)
        self._in_turn(partial(self._go_to, position_us))

    def _go_to(self, position_us: int) -> None:
        with self._turn:
            self._check_open()
            if self._medium is None:
                self._begin_us = max(0, position_us)
            elif self._medium.seekable:
                self._seek(position_us)

    @property
    def duration(self) -> float:
        """Return how long it lasts in seconds: NaN if nothing is loaded, infinity for a stream or if it is not known."""
        if self._medium is None:
            return nan
        length_us = self._transport.clock.length_us
        return inf if length_us is None else length_us / MICROSECONDS

    @property
    def seekable(self) -> TimeRanges:
        """Return where ``current_time`` may go: nowhere in a stream, or in what cannot be read from anywhere."""
        medium, length = self._medium, self.duration
        return TimeRanges([(0.0, length)] if medium is not None and medium.seekable and isfinite(length) else [])

    @property
    def ended(self) -> bool:
        """Return whether it was played to its end, and does not loop."""
        return self._is_ended

    @property
    def playback_rate(self) -> float:
        """Return how fast it plays: 1 as it was recorded, 2 twice as fast, at the same pitch. 0 stands still.

        Sound is only heard and captured from 0.5 to 4. A stream always plays at 1. Raises TypeError for what is no finite
        number, and NotSupportedError unless it is 0 or from 1/16 to 16.
        """
        return self._rate

    @playback_rate.setter
    def playback_rate(self, rate: float) -> None:
        rate = _number(rate, "playback_rate")
        if rate and not SLOWEST <= rate <= FASTEST:
            raise NotSupportedError(f"a playback rate is 0, or from 1/16 to 16, not {rate:g}")
        self._in_turn(partial(self._change_rate, rate))

    def _change_rate(self, rate: float) -> None:
        with self._turn:
            if rate == self._rate or isinstance(self._medium, StreamMedium):
                return
            self._rate = rate
            with self._transport.changed:
                self._transport.clock.turn(self._effective_rate, now_us())
                self._tempo, self._placed_us = None, None
                self._transport.changed.notify_all()
            self._post("ratechange")
            self._mute_captures()

    @property
    def _effective_rate(self) -> float:
        return 1.0 if isinstance(self._medium, StreamMedium) else self._rate

    # The player

    def _start_player(self) -> None:
        """Begin to play from the current position."""
        assert self._medium is not None, "asked before"
        self._arrived = False
        player = self._medium.player(self._transport, _Stalls(self), self._transport.clock.at_us(now_us()))
        self._player = player
        try:
            player.start()
        except DOMException as error:
            self._player = None
            self._fail(MediaError.MEDIA_ERR_NETWORK, error)
            self._note_paused()
            self._end_captures()

    def _stop_player(self) -> None:
        player, self._player = self._player, None
        if player is not None:
            player.stop()
        self._sound.clear()
        self._pictures.clear()
        self._tempo, self._placed_us = None, None

    def _seek(self, to_us: int) -> None:
        """Go to a position: https://html.spec.whatwg.org/multipage/media.html#seeking."""
        if self._error is not None:
            return
        self._stop_player()
        with self._transport.changed:
            clock = self._transport.clock
            clock.stand(now_us())
            clock.move(to_us, now_us())
            at_end = clock.length_us is not None and clock.at_us(now_us()) >= clock.length_us
        self._seeking, self._ready_state = True, self.HAVE_METADATA
        self._post("seeking")
        if not at_end:
            if self._is_ended:
                self._is_ended = False
                self._begin_captures()
            self._start_player()
            return
        self._note_seeked()
        if self.loop and not self._paused:
            self._owner.post(self._go_back)
        elif not self._is_ended:
            self._note_over(None)

    def _note_seeked(self) -> None:
        self._seeking, self._ready_state = False, self.HAVE_ENOUGH_DATA
        self._post("timeupdate", "seeked")

    def note_first(self) -> None:
        """Begin to run, because the first frame is there. Called on the thread that plays."""
        with self._transport.changed:
            self._arrived = True
            runs = not self._paused
            if runs:
                self._transport.clock.run(now_us())
        if self._seeking:
            self._note_seeked()
        if runs:
            self._post("playing")
            self._mute_captures()

    def note_end(self, player: MediumPlayer, error: DOMException | None) -> None:
        """Note that all was played, or why no more is. Called on the thread that plays."""
        if error is None and not self.loop:
            self._sound.drain()
        self._show_due(inf)
        self._owner.post(partial(self._finish, player, error))

    def _finish(self, player: MediumPlayer, error: DOMException | None) -> None:
        """Do what follows the end, on the thread of events."""
        with self._turn:
            if self._player is not player:  # somebody went elsewhere meanwhile
                return
            seekable = self._medium is not None and self._medium.seekable
            if error is None and self.loop and seekable:
                self._go_back()
                return
            end_us = getattr(player, "end_us", 0)
            self._stop_player()
            self._note_over(error, end_us)

    def _go_back(self) -> None:
        with self._turn:
            if self._medium is not None and self.loop and not self._paused:
                self._seek(0)

    def _note_over(self, error: DOMException | None, end_us: int = 0) -> None:
        with self._transport.changed:
            clock = self._transport.clock
            clock.stand(now_us())
            if error is None and clock.length_us is None:
                clock.length_us = max(end_us, clock.at_us(now_us()))
                self._post("durationchange")
            if error is None:
                clock.move(clock.length_us or 0, now_us())
        if error is not None:
            self._fail(MediaError.MEDIA_ERR_DECODE, error)
        else:
            self._is_ended = True
            self._post("timeupdate", *([] if self._paused else ["pause"]), "ended")
        self._note_paused()
        self._end_captures()
        self._sound.release()

    def _note_paused(self) -> None:
        with self._transport.changed:
            self._paused = True
            self._transport.changed.notify_all()

    # What is shown. On the thread that plays.

    def show(self, kind: str, frame: VideoFrame | AudioData, at_us: int) -> None:
        """Show a frame, capture it, and let it be heard."""
        if isinstance(frame, AudioData):
            for block in self._stretched(frame, at_us):
                self._capture(kind, block)
                if self._volume and not self._muted:
                    self._sound.put(block, self._volume)
        else:
            shown = replace(frame, timestamp=at_us)
            self._capture(kind, shown)
            if self._window is not None:
                self._pictures.append((at_us + self._sound.delay_us, shown))
        self._show_due(now_us())
        if at_us - self._updated_us >= _UPDATE_US:
            self._updated_us = at_us
            self._post("timeupdate")

    def _show_due(self, now: float) -> None:
        """Show the newest picture in the window whose sound is heard by now."""
        newest: VideoFrame | None = None
        while self._pictures and self._pictures[0][0] <= now:
            newest = self._pictures.popleft()[1]
        if newest is not None and self._window is not None:
            self._window.show(newest)

    def _capture(self, kind: str, frame: VideoFrame | AudioData) -> None:
        for capture in tuple(self._captures):
            capture.show(kind, frame)

    def _stretched(self, block: AudioData, at_us: int) -> list[AudioData]:
        """Return a block as it is heard at the playback rate, with its time."""
        rate = self._effective_rate
        if rate == 1:
            return [replace(block, timestamp=at_us)]
        if not _AUDIBLE[0] <= rate <= _AUDIBLE[1]:
            return []
        tempo = self._tempo
        if tempo is None:
            tempo = self._tempo = load_tempo(rate)
        placed_us = at_us if self._placed_us is None else self._placed_us
        found = []
        for ready in tempo(block):
            found.append(replace(ready, timestamp=placed_us))
            placed_us += ready.lasts_us
        self._placed_us = placed_us if found or self._placed_us is not None else at_us
        return found

    def fill(self) -> None:
        """Let the captured sound be silent while nothing is played."""
        now = now_us()
        self._show_due(now)
        for capture in tuple(self._captures):
            capture.fill(now)

    # The captured streams

    def capture_stream(self) -> MediaStream:
        """Return a stream of what it plays, at the speed at which it plays.

        https://www.w3.org/TR/mediacapture-fromelement/#dom-htmlmediaelement-capturestream. It has a track for the picture and
        one for the sound as soon as the medium is loaded (``addtrack`` fires then). They are muted while it is paused, end when
        it ends or gets another medium, and are taken out of the stream (``removetrack``). If it plays again, there are new
        ones. A position to which it goes, and a loop, end nothing. ``volume`` and ``muted`` change nothing in them. Raises
        InvalidStateError after ``close``.
        """
        with self._turn:
            self._check_open()
            stream = MediaStream()
            capture = ElementCapture(stream, self._owner)
            self._captures = [*(one for one in self._captures if not one.dropped), capture]
            if self._medium is not None and not self._is_ended and self._error is None:
                capture.begin(self._medium.label, self._medium.shapes, announced=False)
                self._mute_captures()
            return stream

    def _begin_captures(self) -> None:
        if self._medium is not None:
            for capture in self._captures:
                capture.begin(self._medium.label, self._medium.shapes, announced=True)
        self._mute_captures()

    def _end_captures(self) -> None:
        for capture in self._captures:
            capture.end()

    def _mute_captures(self) -> None:
        """Mute the captured tracks while nothing of them is played."""
        with self._transport.changed:
            silent = self._paused or not self._effective_rate
            unheard = silent or not _AUDIBLE[0] <= self._effective_rate <= _AUDIBLE[1]
            muted: Mapping[str, bool] = {VIDEO: silent, AUDIO: unheard}
            for capture in tuple(self._captures):
                capture.mute(muted)

    # The speaker

    @property
    def volume(self) -> float:
        """Return how loud it is, from 0 to 1. Raises TypeError for what is no finite number, ValueError for any other."""
        return self._volume

    @volume.setter
    def volume(self, volume: float) -> None:
        volume = _number(volume, "volume")
        if not 0 <= volume <= 1:
            raise ValueError(f"a volume is from 0 to 1, not {volume:g}")
        if volume != self._volume:
            self._volume = volume
            self._post("volumechange")

    @property
    def muted(self) -> bool:
        """Return whether nothing of it is heard. An element that is muted from the start opens no speaker."""
        return self._muted

    @muted.setter
    def muted(self, muted: bool) -> None:
        if bool(muted) != self._muted:
            self._muted = bool(muted)
            self._sound.clear()
            self._post("volumechange")

    @property
    def sink_id(self) -> str:
        """Return the deviceId of the speaker that was chosen, or "" for the default one."""
        return self._sound.sink_id

    def set_sink_id(self, sink_id: str) -> None:
        """Play on another speaker, by its deviceId, or on the default one (""), from now on.

        https://w3c.github.io/mediacapture-output/#dom-htmlmediaelement-setsinkid. Raises NotFoundError if there is no such
        speaker, AbortError if it cannot be opened (then the other one goes on), and TypeError.
        """
        if not isinstance(sink_id, str):
            raise ArgumentError(f"set_sink_id takes a deviceId, not {sink_id!r}")
        with self._turn:
            self._check_open()
            if sink_id == self._sound.sink_id:
                return
            machine = self._used_devices.machine
            if sink_id:
                machine.find_speaker(sink_id)
            self._sound.switch(
                sink_id, now=not self._paused and not self._muted, same=machine.is_same_speaker(sink_id, self.sink_id)
            )

    def _post(self, *names: str) -> None:
        for name in names:
            self._owner.post(partial(self.fire, Event(name)))


class _Stalls:
    """The audience of a player, which holds the element while it plays."""

    def __init__(self, element: MediaElement) -> None:
        self._element = element

    def on_first(self) -> None:
        """Pass it on."""
        self._element.note_first()

    def on_show(self, kind: str, frame: VideoFrame | AudioData, at_us: int) -> None:
        """Pass it on."""
        self._element.show(kind, frame, at_us)

    def on_idle(self) -> None:
        """Pass it on."""
        self._element.fill()

    def on_over(self, player: MediumPlayer, error: DOMException | None) -> None:
        """Pass it on."""
        self._element.note_end(player, error)


def _opened(devices: MediaDevices, given: str | Blob) -> Medium:
    """Return what is at an address, or in a blob. Raises the errors of what reads it."""
    if isinstance(given, str):
        return open_medium(devices, given)
    address = address_of_bytes(given.bytes())
    try:
        return open_medium(devices, address)
    finally:
        revoke_address(address)


def _number(value: Any, name: str) -> float:
    """Return a finite number. Raises TypeError, as WebIDL's double."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ArgumentError(f"{name} is a finite number, not {value!r}")
    return float(value)
