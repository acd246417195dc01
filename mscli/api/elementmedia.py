"""Media of an element: a file that is read at its own pace, or a stream whose frames come by themselves."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from threading import Condition, current_thread
from typing import Any, Protocol

from mscli.api.elementcapture import TrackShape
from mscli.api.mediadevices import MediaDevices
from mscli.api.mediastream import MediaStream
from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.core.addresses import masked
from mscli.core.boxes import Mode, Scalar, Span
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.errors import ArgumentError, DOMException, NotSupportedError
from mscli.core.eventloop import EventLoop, FrameQueue
from mscli.core.frames import AudioData, EncodedAudioChunk, Media, VideoFrame
from mscli.core.limits import SOURCE_STOP_S
from mscli.core.locks import shared_lock
from mscli.core.log import Log
from mscli.core.playing import PlayClock
from mscli.core.properties import AUDIO, TRACK_KINDS, VIDEO
from mscli.core.threads import Thread
from mscli.media import load_converter, load_sound_decoder
from mscli.sources.base import SWITCHED_OFF, Abilities, Backend, Device, InputOptions, Request, Source

_LATE_US = 200_000  # a frame that is later than this shows that reading is too slow: the position waits for it
_TICK_S = 0.02  # how often silence is filled in while nothing is played

_log = Log("element")


class Transport:
    """The position of an element, shared with the thread that plays. ``changed``: its lock, notified of every change."""

    def __init__(self) -> None:
        self.changed = Condition(shared_lock())
        self.clock = PlayClock()


class Audience(Protocol):
    """The element, as those see it who play for it. All calls come on their thread, and none takes the element's turn."""

    def on_first(self) -> None:
        """Note that the first frame is there, so that the position may run."""

    def on_show(self, kind: str, frame: VideoFrame | AudioData, at_us: int) -> None:
        """Show a frame, which is due at this time of the clock."""

    def on_idle(self) -> None:
        """Note that nothing is played now."""

    def on_over(self, player: MediumPlayer, error: DOMException | None) -> None:
        """Note that everything was played, or why no more is."""


class MediumPlayer(Protocol):
    """A player: it plays from a position until it is stopped or all was played."""

    def start(self) -> None:
        """Begin. Raises the errors of what it reads."""

    def stop(self) -> None:
        """Stop at once, and wait for the thread."""


class Medium(Protocol):
    """A medium that an element plays. ``length_us``: its duration, or None. ``seekable``: whether it begins anywhere."""

    label: str
    length_us: int | None
    seekable: bool

    @property
    def shapes(self) -> Mapping[str, TrackShape]:
        """Return the shape of each kind of track that is there."""

    def player(self, transport: Transport, audience: Audience, from_us: int) -> MediumPlayer:
        """Return a player that begins at a position."""

    def close(self) -> None:
        """Give up what is held."""


def open_medium(devices: MediaDevices, address: str) -> Medium:
    """Return what is at an address. Raises the errors of what reads it.

    What has a pace of its own, such as a camera of the network, is played as a stream of ``devices``.
    """
    try:
        return FileMedium(devices.machine.source_at(address, InputOptions(paced=False)), address)
    except ArgumentError:  # it cannot wait for its readers
        found = {info.kind: info.device_id for info in devices.add_address(address, [*TRACK_KINDS])}
    asked: Any = {TRACK_KINDS[kind]: {"deviceId": {"exact": device_id}} for kind, device_id in found.items()}
    return StreamMedium(devices.get_user_media(asked), owned=True)


class FileMedium:
    """A file, or what else waits for its readers: its ``Backend``, and the device and the request of each kind of track."""

    def __init__(self, backend: Backend, address: str) -> None:
        self.label = os.path.basename(masked(address)) or masked(address)
        self.length_us, self.seekable = backend.duration_us, backend.seekable
        self.backend = backend
        self.parts: dict[str, tuple[Device, Request]] = {}
        self._shapes: dict[str, TrackShape] = {}
        try:
            self._find_parts()
        except BaseException:
            backend.close()
            raise

    def _find_parts(self) -> None:
        flaw: DOMException | None = None
        for device in self.backend.devices([*TRACK_KINDS]):
            kind = TRACK_KINDS[device.kind]
            try:
                request, shape = _usual(self.backend.abilities(device))
            except DOMException as error:
                _log.warning("%s is left out: %s", kind, error)
                flaw = error
                continue
            self.parts.setdefault(kind, (device, request))
            self._shapes.setdefault(kind, shape)
        if not self.parts:
            raise flaw or NotSupportedError(f"{self.label} holds neither video nor sound")

    @property
    def shapes(self) -> Mapping[str, TrackShape]:
        """Return the shapes of its tracks."""
        return self._shapes

    def player(self, transport: Transport, audience: Audience, from_us: int) -> MediumPlayer:
        """Return a player from a position."""
        return FilePlayer(self, transport, audience, from_us)

    def close(self) -> None:
        """Close the file."""
        self.backend.close()


def _usual(abilities: Abilities) -> tuple[Request, TrackShape]:
    """Return the request for the first of all possible settings, and what it gives."""
    settings: dict[str, Scalar] = {
        name: values.min if isinstance(values, Span) else values[0] for name, values in abilities.values.items()
    }
    if not abilities.modes:
        return Request(settings), TrackShape(sound=settings)
    form, *sides = abilities.modes[0]
    width, height, rate = (side.max if isinstance(side, Span) else side for side in sides)
    settings |= {"width": width, "height": height, "frameRate": rate}
    return Request(settings, form), TrackShape(Mode(form, width, height, rate))


class FilePlayer:
    """A player of a file. The thread that reads it waits until each frame is due.

    ``from_us``: the position of what comes first.
    """

    def __init__(self, medium: FileMedium, transport: Transport, audience: Audience, from_us: int) -> None:
        self._medium, self._transport, self._audience = medium, transport, audience
        self._from_us = self._end_us = from_us
        self._stopping = False
        self._begun = False  # whether something came
        self._going: dict[str, Source] = {}
        self._errors: list[DOMException | None] = []  # of the tracks that have ended
        self._shown = FrameDecoder()

    def start(self) -> None:
        """Open the tracks and begin."""
        if self._medium.seekable:
            self._medium.backend.begin_at(self._from_us)
        try:
            for kind, (device, request) in self._medium.parts.items():
                self._going[kind] = self._medium.backend.open(device, request)
            for kind, source in self._going.items():
                source.start(PlayerEntrance(self, kind))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop reading. Nothing is shown after that."""
        with self._transport.changed:
            self._stopping = True
            self._transport.changed.notify_all()
        for source in list(self._going.values()):
            source.stop()

    # On the thread that reads

    def take(self, kind: str, media: Media) -> None:
        """Show what comes when it is due."""
        for frame in self._shown.decoded(media):
            self._show(kind, frame)

    def _show(self, kind: str, frame: VideoFrame | AudioData) -> None:
        if self._stopping:
            return
        lasts_us = frame.lasts_us if isinstance(frame, AudioData) else 0
        begin_us = self._from_us + frame.timestamp
        self._end_us = max(self._end_us, begin_us + (lasts_us or frame.duration or 0))
        if not self._begun:
            self._begun = True
            self._audience.on_first()
        due_us = self._wait_until(begin_us + lasts_us)
        if due_us is not None:
            rate = self._transport.clock.rate or 1.0
            self._audience.on_show(kind, frame, due_us - round(lasts_us / rate))

    def _wait_until(self, position_us: int) -> int | None:
        """Wait until the element is there. Return the time at which it is, or None if it was stopped."""
        changed, clock = self._transport.changed, self._transport.clock
        while True:
            with changed:
                if self._stopping:
                    return None
                now, due_us = now_us(), clock.when_us(position_us)
                if due_us is not None and due_us <= now:
                    if now - due_us > _LATE_US:
                        clock.move(position_us, now)
                        due_us = now
                    return due_us
                changed.wait(_TICK_S if due_us is None else (due_us - now) / MICROSECONDS)
            if due_us is None:
                self._audience.on_idle()

    def note_end(self, kind: str, error: DOMException | None) -> None:
        """Note the end of a track. With the last one, all was played; an error of one track alone is no failure."""
        for frame in self._shown.rest() if kind == VIDEO else ():
            self._show(kind, frame)
        self._errors.append(error)
        if len(self._errors) < len(self._going) or self._stopping:
            return
        failure = next((one for one in self._errors if one is not None), None) if all(self._errors) else None
        if failure is not None and not self._begun and self._is_near_end:
            failure = None  # it was to begin after its last frame
        if failure is None and not self._begun:
            self._audience.on_first()
        if failure is not None or self._wait_until(self._end_us) is not None:
            self._audience.on_over(self, failure)

    @property
    def _is_near_end(self) -> bool:
        """Return whether it began where there may be no frame any more: durations are those of the longest track, rounded."""
        length_us = self._medium.length_us
        return self._from_us > 0 and (length_us is None or self._from_us > length_us - MICROSECONDS)

    @property
    def end_us(self) -> int:
        """Return the position at which the last frame ends, as far as known."""
        return self._end_us


class PlayerEntrance:
    """The receiver of one track of a file."""

    def __init__(self, player: FilePlayer, kind: str) -> None:
        self._player, self._kind = player, kind

    def on_frame(self, frame: Media) -> None:
        """Take a frame, and wait until it is shown."""
        self._player.take(self._kind, frame)

    def on_lost(self, count: int) -> None:
        """Log a loss."""
        _log.debug("%s: %d damaged", self._kind, count)

    def on_retimed(self, count: int, off_us: int) -> None:
        """Log it."""
        _log.debug("%s: %d with an impossible time, off by %d µs", self._kind, count, off_us)

    def on_muted(self, muted: bool, cause: str = SWITCHED_OFF) -> None:
        """Do nothing: no file does that."""

    def on_changed(self, settings: Mapping[str, Scalar], abilities: Abilities | None = None) -> None:
        """Do nothing: the captured tracks follow their frames."""

    def on_warned(self, reason: str) -> None:
        """Log it."""
        _log.warning("%s", reason)

    def on_ended(self, error: DOMException | None) -> None:
        """Pass on the end."""
        self._player.note_end(self._kind, error)


class FrameDecoder:
    """A decoder of whatever a source delivers: raw frames pass unchanged."""

    def __init__(self) -> None:
        self._converter: Any = None
        self._decode_sound: Callable[[EncodedAudioChunk], AudioData | None] | None = None

    def decoded(self, media: Media) -> Sequence[VideoFrame | AudioData]:
        """Return the frames that this one completes: none if it is damaged or the decoder needs more."""
        if isinstance(media, AudioData) or (isinstance(media, VideoFrame) and media.whole):
            return (media,)
        if isinstance(media, EncodedAudioChunk):
            self._decode_sound = self._decode_sound or load_sound_decoder()
            block = self._decode_sound(media)
            return () if block is None else (block,)
        self._converter = self._converter or load_converter()
        pictures: Sequence[VideoFrame] = self._converter.read(media)
        return pictures

    def rest(self) -> Sequence[VideoFrame]:
        """Return the pictures that the decoder still holds. No more may follow."""
        converter, self._converter = self._converter, None
        return () if converter is None else converter.rest()


class StreamMedium:
    """A ``MediaStream``: the first live track of each kind. ``owned``: whether its tracks are stopped in the end.

    https://www.w3.org/TR/mediacapture-streams/#mediastreams-as-media-elements: it has no end that is known, and no positions
    to go to.
    """

    length_us: int | None = None
    seekable = False

    def __init__(self, stream: MediaStream, *, owned: bool = False) -> None:
        self.stream, self._owned = stream, owned
        self.label = next((track.label for track in stream.get_tracks()), "stream")

    @property
    def tracks(self) -> dict[str, MediaStreamTrack]:
        """Return the first live track of each kind."""
        live = [track for track in self.stream.get_tracks() if track.ready_state == "live"]
        return {kind: track for kind in (VIDEO, AUDIO) for track in reversed(live) if track.kind == kind}

    @property
    def shapes(self) -> Mapping[str, TrackShape]:
        """Return the shapes of its tracks."""
        return {kind: _shape_of(track) for kind, track in self.tracks.items()}

    def player(self, transport: Transport, audience: Audience, from_us: int) -> MediumPlayer:  # noqa: ARG002 (it has no positions)
        """Return a player of what comes from now on."""
        return StreamPlayer(self, transport, audience)

    def close(self) -> None:
        """Stop the tracks, if they are the element's own."""
        for track in self.stream.get_tracks() if self._owned else ():
            track.stop()


def _shape_of(track: MediaStreamTrack) -> TrackShape:
    now = track.settings
    if track.kind == AUDIO:
        return TrackShape(sound={name: now[name] for name in ("sampleRate", "channelCount", "sampleSize") if name in now})
    usual = {"width": 640, "height": 480, "frameRate": 30}
    width, height, rate = (float(now.get(name, 0)) or usual[name] for name in usual)
    return TrackShape(Mode(track.pixel_format, int(width), int(height), rate))


class StreamPlayer:
    """A player of a stream, on a thread of its own. What comes while the element is paused is lost, unless it is paced."""

    def __init__(self, medium: StreamMedium, transport: Transport, audience: Audience) -> None:
        self._medium, self._transport, self._audience = medium, transport, audience
        self._event_loop = EventLoop()
        self._queues: dict[FrameQueue, MediaStreamTrack] = {}
        self._stopping = self._begun = False
        self._base_us: int | None = None  # the time of the clock at which paced frames have time 0
        self._decoders = {kind: FrameDecoder() for kind in (VIDEO, AUDIO)}
        self._thread = Thread(target=self._run, name="mscli-element", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._medium.stream.watchers.add(self._wake)
        self._thread.start()

    def stop(self) -> None:
        """Stop reading."""
        with self._transport.changed:
            self._stopping = True
            self._transport.changed.notify_all()
        self._medium.stream.watchers.discard(self._wake)
        self._wake()
        if self._thread is not current_thread():
            self._thread.join_or_abandon(SOURCE_STOP_S)

    def _wake(self) -> None:
        self._event_loop.post(lambda: None)

    @property
    def end_us(self) -> int:
        """Return the position now."""
        return self._transport.clock.at_us(now_us())

    def _run(self) -> None:
        try:
            while not self._stopping and (self._follow() or not self._begun):
                taken = self._event_loop.take(_TICK_S)
                if taken is None:
                    self._pass_time()
                else:
                    self._take(taken.queue, taken.frame)
        finally:
            for queue, track in self._queues.items():
                track.close_queue(queue)
        if not self._stopping:
            self._audience.on_over(self, None)

    def _pass_time(self) -> None:
        if not self._event_loop.going:  # take() does not wait then
            with self._transport.changed:
                self._transport.changed.wait(_TICK_S)
        if not self._runs:
            self._audience.on_idle()

    def _follow(self) -> bool:
        """Read the tracks that are there now. Return whether something may come."""
        wanted = self._medium.tracks
        for queue, track in list(self._queues.items()):
            if wanted.get(track.kind) is not track and (queue.finished or track not in self._medium.stream):
                for frame in self._decoders[track.kind].rest():
                    self._show(track, frame)
                del self._queues[queue]
                track.close_queue(queue)
                self._event_loop.remove(queue)
        read = {track.kind for track in self._queues.values()}
        for kind, track in wanted.items():
            if kind not in read:
                self._queues[track.open_queue(self._event_loop)] = track
        return bool(self._queues)

    @property
    def _runs(self) -> bool:
        return self._transport.clock.running

    def _take(self, queue: FrameQueue, media: Media) -> None:
        track = self._queues.get(queue)
        if track is not None:
            for frame in self._decoders[track.kind].decoded(media):
                self._show(track, frame)

    def _show(self, track: MediaStreamTrack, frame: VideoFrame | AudioData) -> None:
        if not self._begun:
            self._begun = True
            self._audience.on_first()
        at_us = self._due(frame) if track.paced else frame.timestamp if self._runs else None
        if at_us is not None:
            self._audience.on_show(track.kind, frame, at_us)
        elif not self._stopping:
            self._audience.on_idle()

    def _due(self, frame: VideoFrame | AudioData) -> int | None:
        """Wait until a paced frame is due, and return that time, or None if the player was stopped."""
        changed = self._transport.changed
        while True:
            with changed:
                if self._stopping:
                    return None
                now = now_us()
                if self._runs:
                    if self._base_us is None or now - self._base_us - frame.timestamp > _LATE_US:
                        self._base_us = now - frame.timestamp
                    left_us = self._base_us + frame.timestamp - now
                    if left_us <= 0:
                        return self._base_us + frame.timestamp
                    changed.wait(left_us / MICROSECONDS)
                    continue
                changed.wait(_TICK_S)
            self._audience.on_idle()
