"""MediaStreamTrack, its events and its stats: a sequence of video frames or audio blocks from a source.

https://www.w3.org/TR/mediacapture-streams/#mediastreamtrack
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, cast

from mscli.api.nativeformats import CopiedFormats, NativeFormats, native_boxes
from mscli.api.settings_space import capabilities_of, space_of
from mscli.api.sharing import boxes_beside, boxes_of_controls, boxes_running, kept_as_it_is, set_source, settings_of
from mscli.core.boxes import Box, Mode, Scalar, Unusable
from mscli.core.channels import ChannelPlan, plan_channels
from mscli.core.clock import now_us
from mscli.core.codecs import CAMERA_CODECS, VIDEO_CODECS
from mscli.core.constraints import Constraints, Rule, in_words, parse_constraints
from mscli.core.controls import Control, shown, unmet
from mscli.core.derived import DERIVED
from mscli.core.errors import ArgumentError, DOMException, InvalidStateError, OverconstrainedError
from mscli.core.eventloop import USUAL_LIMITS, VIDEO_QUEUE_BYTES, EventLoop, FrameQueue, QueueLimits, Task
from mscli.core.events import Event, EventTarget, Handler, required_member
from mscli.core.frames import AudioMedia, EncodedAudioChunk, EncodedVideoChunk, Media, VideoFrame, VideoMedia, blank, own_copy
from mscli.core.ids import random_uuid
from mscli.core.limits import Timeouts
from mscli.core.locks import outside, shared_lock
from mscli.core.log import Log
from mscli.core.properties import DISPLAY_SURFACE
from mscli.core.readonly import ReadOnly
from mscli.core.select import feasible, select_settings
from mscli.core.selection import Selection, Settings, describe_settings
from mscli.core.shaping import Shaper
from mscli.core.webidl import track_constraints
from mscli.media import load_channel_mapper, load_converter, load_sound_converter, load_sound_decoder
from mscli.sources.track import Consumer, TrackSource, Worker

if TYPE_CHECKING:
    from mscli.api.dictionaries import MediaTrackCapabilities, MediaTrackConstraints, MediaTrackSettings

_log = Log("negotiate")

Kind = Literal["audio", "video"]
ReadyState = Literal["live", "ended"]
_MOST_HELD = 60  # chunks: two seconds

DeriveFrame = Callable[[Any], Media | None]  # native frame → the track's frame, or None if it is dropped

_HINTS = {"video": ("", "motion", "detail", "text"), "audio": ("", "speech", "speech-recognition", "music")}
_INHERENT = ("deviceId", "facingMode", "groupId")
_HEARD = ("sampleRate", "channelCount", "sampleSize")
_SHAPED = {"video": ("width", "height", "frameRate"), "audio": _HEARD}


def _derive_video(settings: Settings, native: Settings, pixel_format: str) -> DeriveFrame:
    """Return the function that derives frames. If it drops frames, chunks that depend on others are decoded first."""
    shaper, codec = Shaper(settings, native), CAMERA_CODECS.get(pixel_format)
    if codec is None or codec.intra or not shaper.drops:
        return shaper.shape
    decode = load_converter().convert

    def derive(frame: VideoFrame | EncodedVideoChunk) -> VideoFrame | None:
        picture = decode(frame)
        return None if picture is None else shaper.shape(picture)

    return derive


def _derive_audio(settings: Settings, native: Settings, _pixel_format: str) -> DeriveFrame:
    return load_sound_converter(*_heard(settings), native=_heard(native))


_SHAPES = {"video": _derive_video, "audio": _derive_audio}


def _derive_channels(plan: ChannelPlan, settings: Settings, native: Settings) -> DeriveFrame:
    """Return the function that takes the plan's channels, and converts them only if the rate or the sample size differs."""
    take = load_channel_mapper(plan)
    own = {**native, "channelCount": plan.channels or native["channelCount"]}
    if _heard(own) == _heard(settings):
        return take
    convert = load_sound_converter(*_heard(settings), native=_heard(own))
    return lambda block: convert(take(block))


def _heard(settings: Settings) -> tuple[int, int, int]:
    """Return the sample rate, the channel count and the bits per sample."""
    rate, channels, bits = (int(settings[name]) for name in _HEARD)
    return rate, channels, bits


# from the most to the least important
_KEPT = (("width", "height"), ("frameRate",), ("sampleRate",), ("channelCount",), ("sampleSize",))


_MS = 1000  # microseconds


class MediaStreamTrackVideoStats:
    """The counts of a video track's frames, also of those that nobody has read.

    https://w3c.github.io/mediacapture-extensions/#mediastreamtrack-stats. The numbers of both classes are those of the moment,
    not of the task as in a browser. They stand still while the track is disabled.

    Differs from the standard: the numbers are those of the moment.
    """

    def __init__(self) -> None:
        self._delivered = self._discarded = 0

    @property
    def delivered_frames(self) -> int:
        """Return how many frames the track has delivered, or would have if somebody read them."""
        return self._delivered

    @property
    def discarded_frames(self) -> int:
        """Return how many frames were left out to reduce the frame rate."""
        return self._discarded

    @property
    def total_frames(self) -> int:
        """Return the sum of both."""
        return self._delivered + self._discarded

    def to_json(self) -> dict[str, int]:
        """Return the counts with IDL keys."""
        return {
            "deliveredFrames": self.delivered_frames,
            "discardedFrames": self.discarded_frames,
            "totalFrames": self.total_frames,
        }

    def note(self, frame: Media | None) -> None:
        """Count a frame, or None for one that was left out."""
        if frame is None:
            self._discarded += 1
        else:
            self._delivered += 1

    def __repr__(self) -> str:
        return f"<MediaStreamTrackVideoStats {self.delivered_frames} delivered, {self.discarded_frames} discarded>"


class MediaStreamTrackAudioStats:
    """The times from the capture of sound to its delivery, in milliseconds.

    See https://w3c.github.io/mediacapture-extensions/#mediastreamtrack-stats. Differs from the standard: the
    times are those of the moment, not of the task.
    """

    def __init__(self) -> None:
        self._latest = 0.0
        self.reset_latency()

    @property
    def latency(self) -> float:
        """Return the latest time."""
        return self._latest

    @property
    def average_latency(self) -> float:
        """Return the mean since the last reset."""
        total, count = self._noted
        return total / count if count else self._latest

    @property
    def minimum_latency(self) -> float:
        """Return the shortest time since the last reset."""
        return self._least

    @property
    def maximum_latency(self) -> float:
        """Return the longest time since the last reset."""
        return self._most

    def reset_latency(self) -> None:
        """Begin the mean and the extremes again, from the latest time."""
        self._least = self._most = self._latest
        self._noted = 0.0, 0  # the sum of the times, and how many: replaced together, because threads read them

    def to_json(self) -> dict[str, float]:
        """Return the times with IDL keys."""
        return {
            "latency": self.latency,
            "averageLatency": self.average_latency,
            "minimumLatency": self.minimum_latency,
            "maximumLatency": self.maximum_latency,
        }

    def note(self, frame: Media | None) -> None:
        """Note the arrival of sound."""
        if isinstance(frame, AudioMedia):
            latency = max(0, now_us() - frame.timestamp - frame.lasts_us) / _MS
            total, count = self._noted
            self._latest = latency
            self._least = min(self._least, latency) if count else latency
            self._most = max(self._most, latency) if count else latency
            self._noted = total + latency, count + 1

    def __repr__(self) -> str:
        return f"<MediaStreamTrackAudioStats {self.latency:.1f} ms, {self.average_latency:.1f} ms on average>"


Stats = MediaStreamTrackVideoStats | MediaStreamTrackAudioStats


def stats_of(kind: str) -> Stats:
    """Return new stats for a kind of track."""
    return MediaStreamTrackVideoStats() if kind == "video" else MediaStreamTrackAudioStats()


class TrackOwner(Protocol):
    """The creator of a track, which knows what else is open."""

    def post(self, task: Task) -> None:
        """Run a task on the thread that runs events."""

    def keep(self, worker: Worker) -> None:
        """Wait for a worker when everything is closed."""

    def forget(self, source: TrackSource) -> None:
        """Forget a source that was closed with its last track."""


class MediaStreamTrack(EventTarget):
    """A track of video or sound from a source. Created only by ``get_user_media``, ``add_source`` and ``clone``.

        import mscli

        with mscli.MediaDevices() as devices:
            (track,) = devices.get_user_media({"video": {"width": 640, "frameRate": {"max": 30}}})
            track.apply_constraints({"width": {"exact": 320}})
            print(track.get_settings(), track.get_capabilities())

    Events: ``mute`` and ``unmute`` (frames stop coming, and come again), ``ended`` (the source is gone; not after ``stop``),
    ``configurationchange`` (the settings changed by themselves; https://www.w3.org/TR/mediacapture-extensions/) and
    ``overconstrained`` (and the constraints no longer hold; https://www.w3.org/TR/2016/CR-mediacapture-streams-20160519/).
    Beyond the standard: ``warning`` (the source delivers something that cannot be right; ``reason`` says what, and how it is
    handled).

    A track that is no longer referenced ends as by ``stop``.

    See https://www.w3.org/TR/mediacapture-streams/#mediastreamtrack. Differs from the standard: ``apply_constraints`` returns
    when the settings hold or raises OverconstrainedError, instead of a promise.
    """

    EVENTS = ("mute", "unmute", "ended", "overconstrained", "configurationchange", "warning")

    enabled: bool
    onmute: Handler
    onunmute: Handler
    onended: Handler
    onoverconstrained: Handler
    onconfigurationchange: Handler
    onwarning: Handler

    _ready_state: ReadyState | Literal["new"] = "new"  # until it has a source

    id = ReadOnly[str]()
    kind = ReadOnly[Kind]()
    label = ReadOnly[str]()
    muted = ReadOnly[bool]()
    ready_state = ReadOnly[ReadyState]()

    def __init__(
        self,
        source: TrackSource,
        owner: TrackOwner,
        settings: Settings,
        constraints: Constraints,
        passed_over: tuple[DOMException, ...] = (),
        pixel_formats: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self._id = random_uuid()
        self._kind = cast(Kind, source.kind)
        self._label = source.label
        self.enabled = True
        self._muted = self._source_muted = source.muted
        self.passed_over = passed_over  # why better fitting devices are not used
        self.source = source
        self._owner = owner
        self._ready_state = "live"
        self._content_hint = ""
        self._constraints = constraints
        self._stats = stats_of(source.kind)
        self._decode: Callable[[EncodedAudioChunk], Media | None] | None = None  # set if the source encodes sound
        self._queues: dict[FrameQueue, None] = {}  # needs no lock: every access is atomic in Python
        self._lost_before, self._retimed_before = source.lost, source.retimed
        self._overconstrained: OverconstrainedError | None = None  # why the track is muted: its constraints do not hold
        self.settings = self._chosen = settings  # now, and as selected for the constraints
        self._shapes: tuple[tuple[int, DeriveFrame | None], ...] = ()  # replaced as a whole: it is read without the lock
        self._plan: ChannelPlan | None = None  # the channels that were asked for, if not all
        self._between: list[tuple[Any, Any]] = []  # the track's and the device's settings, between which they convert
        self._settling = shared_lock()  # of these and of the constraints; never held while waiting
        self._pixel_formats = pixel_formats  # the asked ones; they tell whether an output copies what the camera encodes
        self._begun = self._begun_whole = False  # whether a reader was given a frame, and one neither cropped nor scaled
        self._anew = False  # whether the source has changed by itself before that, so that there is nothing to keep
        self._behind = False  # whether readers wait until the settings follow the source
        self._held: deque[EncodedVideoChunk] = deque()  # what came until then, if later chunks depend on it
        source.attach(self)
        self.reshape()  # after attaching, because the source may be changing right now

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.kind} “{self.label}” {self.ready_state}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the track."""
        self.stop()

    @property
    def content_hint(self) -> str:
        """Return the kind of content, for encoders. Setting an unknown value does nothing (mst-content-hint)."""
        return self._content_hint

    @content_hint.setter
    def content_hint(self, value: str) -> None:
        if value in _HINTS[self.kind]:
            self._content_hint = value

    @property
    def ended_error(self) -> DOMException | None:
        """Return why the source ended or is gone (unplugged, failed), or None while it is there and after ``stop``."""
        return self.source.error

    @property
    def stats(self) -> Stats:
        """Return what the source has delivered to the track: https://w3c.github.io/mediacapture-extensions/."""
        return self._stats

    @property
    def lost(self) -> int:
        """Return how many frames (samples per channel) the driver, bus or device lost since the track began."""
        return self.source.lost - self._lost_before

    @property
    def retimed(self) -> int:
        """Return how many frames (samples per channel) had an impossible timestamp that was corrected."""
        return self.source.retimed - self._retimed_before

    @property
    def pixel_format(self) -> str:
        """Return the pixel format of the source, or "" for sound."""
        return self.source.mode.pixel_format if self.source.mode else ""

    @property
    def mode(self) -> dict[str, Any] | None:
        """Return the running native mode, with the contract's keys, or None for sound.

        Of a camera that takes any size or rate within bounds, these are the ones that it was set to.
        """
        if self.source.mode is None:
            return None
        native = self.source.settings()
        listed = self.source.mode.to_json()
        return {key: native.get(key, value) if isinstance(value, dict) else value for key, value in listed.items()}

    @property
    def native_modes(self) -> Sequence[Mode]:
        """Return the modes of the source, for video."""
        return self.source.capabilities().modes

    @property
    def controls(self) -> Mapping[str, Control]:
        """Return the controls of the source, with those of single photos."""
        return self.source.capabilities().controls

    @property
    def unmet_wishes(self) -> list[str]:
        """Return a clause for each wished control that the device does not have or did not set as wished."""
        return unmet(self._constraints.basic, self.settings, self.controls)

    @property
    def maker(self) -> str:
        """Return who made the device, or "" if unknown."""
        return self.source.capabilities().maker

    @property
    def settles(self) -> bool:
        """Return whether exposure and white balance may take a moment after the start."""
        return self.source.capabilities().settles

    @property
    def unusable(self) -> Sequence[Unusable]:
        """Return the formats and modes that the device lists but that cannot be used."""
        return self.source.capabilities().unusable

    @property
    def source_name(self) -> str:
        """Return the source's name for messages."""
        return self.source.name

    @property
    def source_noun(self) -> str:
        """Return what the source is, before its label: a camera, the sound of a file."""
        return self.source.noun

    @property
    def timeouts(self) -> Timeouts:
        """Return the source's timeouts."""
        return self.source.timeouts

    @property
    def left_behind(self) -> str:
        """Return what users must know if the source could not be closed, or ""."""
        return self.source.left_behind

    @property
    def paced(self) -> bool:
        """Return whether the source waits for its readers: nothing is lost, and timestamps are unrelated to the present."""
        return not self.source.live

    @property
    def at_its_end(self) -> bool:
        """Return whether the source has ended as it had to: a file, not a device."""
        return self.source.at_its_end

    def post(self, task: Task) -> None:
        """Run a task on the thread that runs this track's events."""
        self._owner.post(task)

    def keep(self, worker: Worker) -> None:
        """Register a worker to wait for when the devices are closed."""
        self._owner.keep(worker)

    def get_settings(self) -> MediaTrackSettings:
        """Return the current settings, with IDL keys. After the end, only the device's inherent ones are left."""
        return cast("MediaTrackSettings", self.current_settings)

    @property
    def current_settings(self) -> dict[str, Scalar]:
        """Return the same as ``get_settings``, as a plain dictionary with any names."""
        settings = shown(self.settings)
        return settings if self.ready_state != "ended" else {name: settings[name] for name in _INHERENT if name in settings}

    def get_constraints(self) -> MediaTrackConstraints:
        """Return the constraints applied last, as given (after WebIDL conversion)."""
        return cast("MediaTrackConstraints", deepcopy(dict(self._constraints.source)))

    def get_capabilities(self) -> MediaTrackCapabilities:
        """Return the ranges and values that the source supports, with IDL keys."""
        return cast("MediaTrackCapabilities", capabilities_of(space_of(self.kind, self.source.capabilities(), self.source)))

    def apply_constraints(self, constraints: MediaTrackConstraints | None = None) -> None:
        """Choose settings for new constraints and change to them. Without an argument, remove all constraints.

        If all constraints are about controls, nothing else changes and no frame is interrupted.

        Raises TypeError, OverconstrainedError (nothing has changed then) and NotReadableError if the mode cannot be set. In
        that case the source continues as before. If it cannot, or its driver hangs, it is gone.
        """
        asked = parse_constraints(track_constraints(constraints), self.kind)
        source = self.source
        with source.turn:
            if self.ready_state == "ended":
                return
            selection = self._select(asked)
            _log.debug("applyConstraints of “%s”: %s: %s", self.label, asked.source, describe_settings(selection.settings))
            adapting = set_source(
                source, selection, take=lambda settings: self._settle(settings, asked), required=_required(asked)
            )
            if not asked.of_controls:
                self._chosen = self.settings
        for track in adapting:
            track.follow()
        self._notify_muted("")

    def check_constraints(self, constraints: MediaTrackConstraints | None = None) -> None:
        """Raise the TypeError or OverconstrainedError of ``apply_constraints``, and change nothing (beyond the standard)."""
        asked = parse_constraints(track_constraints(constraints), self.kind)
        with self.source.turn:
            if self.ready_state == "live":
                self._select(asked)

    def _select(self, asked: Constraints) -> Selection:
        """Return the settings for new constraints beside the source's other tracks. Raises OverconstrainedError."""
        source = self.source
        others = [other for other in source.consumers if other is not self]
        if self._plan is not None:  # its channels must stay there
            count = Rule("channelCount", exact=(source.settings()["channelCount"],))
            asked = asked._replace(basic=(*asked.basic, count))
        if asked.of_controls:
            return select_settings(boxes_of_controls(source, others), self._staying(asked))
        return select_settings(boxes_beside(source, others, source), asked)

    def kept_as_it_is(self) -> AbstractContextManager[None]:
        """Return a context manager that puts the source and all its tracks back afterwards (beyond the standard)."""
        return kept_as_it_is(self.source)

    def set_controls(self, controls: Mapping[str, Scalar]) -> None:
        """Set controls of the camera, whatever the constraints say (beyond the standard). Raises NotReadableError."""
        with self.source.turn:
            if self.ready_state == "live" and controls:
                self.source.set_controls(controls)
        self.follow()

    @property
    def channels(self) -> tuple[int, ...]:
        """Return the numbers of the device's channels that the track was limited to, or () (beyond the standard)."""
        return self._plan.picked if self._plan is not None else ()

    def select_channels(self, channels: Sequence[int | str] = (), mix_down: str = "", gain: float = 0.0) -> None:
        """Deliver only these channels of the device, in this order, or all of them mixed (beyond the standard).

            track.select_channels([3, 4])
            track.select_channels(["FL", "FR"], mix_down="mono")

        ``channels``: numbers from 1, or names, among the channels that the device is set to; ``channelCount`` sets how many.
        ``mix_down``: "mono" or "stereo". ``gain``: by how many dB they are amplified, from -60 to 60. The ``channelCount`` of
        the settings becomes that of the result. Without arguments, the track has all of them again. Raises TypeError,
        OverconstrainedError (the device lacks a channel), and InvalidStateError for a track of video.
        """
        if self.kind != "audio":
            raise InvalidStateError("a track of video has no channels")
        with self.source.turn, self._settling:
            abilities, native = self.source.capabilities(), self.source.settings()
            available = int(native.get("channelCount", 1))
            names = abilities.channel_names if len(abilities.channel_names) == available else ()
            before, self._plan = self._plan, plan_channels(self.label, available, names, channels, mix_down, gain)
            if channels or mix_down or (before is not None and before.channels):
                self.settings = self.settings | {"channelCount": available}
            self._between = []
            self.reshape()

    def remember(self) -> Callable[[], None]:
        """Return a function that restores the current settings and constraints."""
        settle, chosen = partial(self._settle, self.settings, self._constraints, self._overconstrained), self._chosen

        def restore() -> None:
            settle()
            self._chosen = chosen

        return restore

    def _settle(
        self, settings: Settings, constraints: Constraints, overconstrained: OverconstrainedError | None = None
    ) -> None:
        with self._settling:
            self.settings, self._constraints, self._overconstrained = settings, constraints, overconstrained
            self.reshape()

    def accepts(self, boxes: Sequence[Box]) -> bool:
        """Return whether settings in these boxes could satisfy the required constraints."""
        return feasible(boxes, self._constraints.basic)

    @property
    def required(self) -> Sequence[Rule]:
        """Return the required constraints."""
        return _required(self._constraints)

    def forbids(self, resize_mode: str) -> bool:
        """Return whether the constraints exclude this resizeMode."""
        return not all(rule.allows(resize_mode) for rule in self._constraints.basic if rule.name == "resizeMode")

    def reshape(self) -> None:
        """Derive the track's frames from what the source delivers now, or pass them unchanged if they match.

        Frames stamped ``settings_timestamp`` (microseconds) or later have the new settings; earlier ones have the old settings.
        """
        with self._settling:
            native, shape = dict(self.source.settings()), None
            if self._plan is not None and self._plan.channels:
                self.settings = self.settings | {"channelCount": self._plan.channels}
            between = [(self.settings.get(name), native.get(name)) for name in _SHAPED[self.kind]]
            derived = any(wanted != given for wanted, given in between)
            if derived and self.kind == "video":
                self.settings = self.settings | {"resizeMode": DERIVED}
            since_us = self.settings_timestamp = self.source.newest_us + 1
            if between == self._between:  # only controls have changed: keep the running conversion
                return
            if self._plan is not None:
                shape = _derive_channels(self._plan, self.settings, native)
            elif derived:
                shape = _SHAPES[self.kind](self.settings, native, self.pixel_format)
            before = [earlier for earlier in self._shapes if earlier[0] < since_us]
            self._shapes, self._between = ((since_us, shape), *before[:1]), between

    @property
    def overconstrained(self) -> OverconstrainedError | None:
        """Return the error about the constraints that do not hold, or None. It mutes the track."""
        return self._overconstrained

    @property
    def constraints_to_stay(self) -> Constraints:
        """Return the constraints, followed by the wish to keep the current format of the frames."""
        return self._staying(self._constraints)

    @property
    def constraints_to_follow(self) -> Constraints:
        """Return the constraints for a source that has changed, with the wish to stay unless there is nothing to keep."""
        return self._constraints if self._anew else self.constraints_to_stay

    def _staying(self, constraints: Constraints, wished: Settings | None = None) -> Constraints:
        wished = self.settings if wished is None else wished
        wishes = [[Rule(name, exact=(wished[name],)) for name in names if name in wished] for names in _KEPT]
        return constraints._replace(advanced=(*constraints.advanced, *map(tuple, filter(None, wishes))))

    def move(self, source: TrackSource, settings: Settings, passed_over: tuple[DOMException, ...] = ()) -> None:
        """Continue with another source, in the same queues. Sound keeps its format, whatever the source delivers.

        The old source is closed if this was its last track.
        """
        before, lost, retimed = self.source, self.lost, self.retimed
        same = {name: self.settings[name] for name in _HEARD if name in self.settings}
        with self._settling:
            self.source, self.settings, self._label, self._between = source, settings | same, source.label, []
            self._chosen, self._behind = self.settings, False
            self.reshape()
        self._lost_before, self._retimed_before = source.lost - lost, source.retimed - retimed
        self.passed_over = passed_over
        source.attach(self)
        self._leave(before)
        if self.ready_state == "ended":  # stopped while the new source was being opened
            self._leave(source)

    def changed(self) -> None:
        """Notify that the output of the track has changed by itself, and that it is unmuted if its source is."""
        self.post(self._notify_changed)

    def _notify_changed(self) -> None:
        if self.ready_state == "live":
            self.fire(Event("configurationchange", settings=self.get_settings()))
            self._note_muted(self.source.muted, "")

    def clone(self) -> Self:
        """Return an independent track on the same source with the same constraints. It has ended if this one has."""
        twin = type(self).__new__(type(self))  # a class of its own may be made in another way
        MediaStreamTrack.__init__(
            twin, self.source, self._owner, dict(self.settings), self._constraints, pixel_formats=self._pixel_formats
        )
        twin.enabled, twin._muted, twin._content_hint = self.enabled, self.muted, self._content_hint
        twin._chosen = self._chosen  # another track may have reduced the settings
        if self._plan is not None:
            twin._plan, twin._between = self._plan, []
            twin.reshape()
        if self.ready_state == "ended":
            twin._finish()
        return twin

    def stop(self) -> None:
        """End the track, and close the source if this was its last track. Fires no event.

        In a signal handler it may return before the source is closed.
        """
        if self.ready_state == "live":
            self._finish()

    def open_queue(
        self,
        event_loop: EventLoop,
        limit_bytes: int = VIDEO_QUEUE_BYTES,
        limit_frames: int | None = None,
        limits: QueueLimits = USUAL_LIMITS,
    ) -> FrameQueue:
        """Create a queue in ``event_loop`` and put the track's frames into it. ``FrameQueue`` defines bound and policy."""
        together, label = self.source.together, f"{self.kind} “{self.label}”"
        queue = event_loop.queue(limit_bytes, limit_frames, paced=self.paced, together=together, label=label, limits=limits)
        self._queues[queue] = None
        if self.ready_state == "ended" or self.source.ended:  # the source may have ended before the track was notified
            queue.close()
        self.source.note_reader()
        return queue

    def close_queue(self, queue: FrameQueue) -> None:
        """Stop putting frames into a queue."""
        self._queues.pop(queue, None)
        queue.close()

    # Called by the source

    @property
    def is_read(self) -> bool:
        """Return whether anybody takes the track's frames now."""
        return bool(self._queues)

    def deliver(self, frame: Media) -> None:
        """Put a frame, or black or silence instead, into every queue. Called on the source's thread."""
        if not self._queues and not isinstance(frame, VideoFrame):  # nobody converts in vain
            self._note(frame)
            return
        behind = self._behind  # read once: the settings may follow at any moment, and what is held goes first
        if behind and isinstance(frame, EncodedVideoChunk) and self._holds(frame):
            return
        while self._held and not behind:
            self._deliver(self._held.popleft(), self._shapes[0][1])
        shape = None
        for from_us, newer in self._shapes:  # the newest first
            if frame.timestamp >= from_us:
                shape = newer
                break
        self._deliver(frame, shape)

    def _deliver(self, frame: Media, shape: DeriveFrame | None) -> None:
        shaped: Media | None = frame
        if isinstance(frame, EncodedAudioChunk):  # no consumer takes encoded sound
            self._decode = self._decode or load_sound_decoder()
            shaped = self._decode(frame)
        if shape is not None and shaped is not None:
            shaped = shape(shaped)
        if shaped is not None and self._drops(shaped):
            return
        self._note(shaped if self._kind == "video" else frame)
        queues = list(self._queues)
        if shaped is None or not queues:
            for queue in queues if self._kind == "video" else ():
                queue.omit(frame.count)
            return
        if isinstance(shaped, VideoMedia) and not shaped.blank:
            self._begun, self._begun_whole = True, self._begun_whole or shaped.whole
        # decided here, ahead of the events, because no frame waits for those
        muted = shaped.blank or self.source.muted or bool(self._overconstrained) or not self.enabled
        shown = blank(shaped) if muted else shaped
        for queue in queues[1:]:
            queue.put(own_copy(shown))
        queues[0].put(shown)  # last: its reader may close the frame at once

    def _holds(self, chunk: EncodedVideoChunk) -> bool:
        """Return whether a chunk is held until the settings follow, because others depend on it."""
        if VIDEO_CODECS[chunk.codec].intra or len(self._held) >= _MOST_HELD:
            return False
        self._held.append(chunk)
        return True

    def _drops(self, shaped: Media) -> bool:
        """Return whether a picture is dropped, because the settings do not follow its size yet.

        One that is too small is the reader's to drop.
        """
        if not self._behind or not isinstance(shaped, VideoMedia) or shaped.whole or shaped.blank or shaped.enlarged:
            return False
        for queue in list(self._queues):
            queue.skip(shaped.count)
        return True

    def _note(self, frame: Media | None) -> None:
        if not self.enabled or (frame is not None and frame.blank):
            return
        if self._kind == "video" or not self.paced:  # sound is counted for its latency, which has no meaning without pace
            self._stats.note(frame)

    def close_queues(self) -> None:
        """Close the queues, because no frame will follow."""
        for queue in tuple(self._queues):
            queue.close()

    def source_ended(self, source: TrackSource) -> None:
        """End the track and notify, on the event thread, because its source is gone."""
        self._post_about(source, self._end)

    def source_muted(self, source: TrackSource, muted: bool, reason: str) -> None:
        """Notify, on the event thread, that frames have stopped coming and why, or that they come again."""
        self._post_about(source, partial(self._note_muted, muted, reason))

    def source_changed(self, source: TrackSource) -> None:
        """Adapt, on the event thread, to a source that changed its settings by itself."""
        if self.source is source:
            self._anew = not self._begun
            self._behind = self._is_about_to_change()
        self._post_about(source, self.follow)

    def source_warned(self, source: TrackSource, reason: str) -> None:
        """Notify, on the event thread, of something that cannot be right, and how it is handled."""
        self._post_about(source, partial(self._warn, reason))

    def _post_about(self, source: TrackSource, task: Task) -> None:
        """Post a task about a source. It is skipped if the track has left that source by then."""
        self.post(lambda: task() if self.source is source else None)

    # On the thread that runs events

    def _end(self) -> None:
        if self.ready_state == "live":
            self._finish()
            self.fire(Event("ended", reason=str(self.ended_error or "")))

    def _warn(self, reason: str) -> None:
        if self.ready_state == "live":
            self.fire(Event("warning", reason=reason))

    def _note_muted(self, muted: bool, reason: str) -> None:
        self._source_muted = muted
        self._notify_muted(reason)

    def _notify_muted(self, reason: str) -> None:
        muted = self._source_muted or bool(self._overconstrained)
        if self.ready_state == "live" and self.muted != muted:
            self._muted = muted
            detail = {"reason": reason} if reason else {}
            self.fire(Event("mute" if muted else "unmute", None, **detail))

    def follow(self) -> None:
        """Adapt the settings to a source that has changed. The wanted format is kept if possible.

        If the constraints cannot hold, ``overconstrained`` fires and the track is muted until they can. A track of a display
        ignores them until they can.
        """
        if self.ready_state == "live":
            self._notify_followed(self._follow())

    def _notify_followed(self, event: Event | None) -> None:
        """Fire the event about a change, if there is one, and mute or unmute the track by whether the constraints hold."""
        if event is not None and self.ready_state == "live":
            self.fire(event)
        self._notify_muted(str(self._overconstrained or ""))

    def regain(self) -> None:
        """Return to the size and rate that were chosen for the constraints, if another track had reduced them."""
        source, before = self.source, self.settings
        adapting: Sequence[Consumer] = ()
        with source.turn:
            if self.ready_state != "live" or not self._reduced:
                return
            others = [other for other in source.consumers if other is not self]
            with suppress(DOMException):  # OverconstrainedError, or a camera that fails: nothing has changed
                wished = self._staying(self._constraints, self._chosen)
                selection = select_settings(boxes_beside(source, others, source), wished)
                adapting = set_source(source, selection, take=lambda settings: self._settle(settings, self._constraints))
        for track in adapting:  # after the turn, because their listeners may wait for a thread that needs it
            track.follow()
        if self.settings != before:
            self._notify_changed()

    @property
    def _reduced(self) -> bool:
        """Return whether another track has changed the size or rate that were chosen for the constraints."""
        return any(self.settings.get(name) != self._chosen.get(name) for name in _SHAPED["video"])

    def _follow(self) -> Event | None:
        """Choose settings from what the source delivers now. Return the event about the change."""
        with self._settling:
            before = self.settings
            try:
                selection = self._select_running()
            except OverconstrainedError as found:
                error = self._broken(found)
                self._overconstrained, self._behind = error, False
                return OverconstrainedErrorEvent("overconstrained", {"error": error})
            self._settle(settings_of(self.source, selection), self._constraints)
            if self._anew:
                self._chosen = self.settings
            self._anew = self._behind = False
            return Event("configurationchange", settings=self.get_settings()) if self.settings != before else None

    def _select_running(self) -> Selection:
        """Return the best settings in what the source delivers now. Raises OverconstrainedError."""
        boxes, constraints = boxes_running(self.source), self.constraints_to_follow
        if self._copied:
            boxes = native_boxes(boxes)
        if DISPLAY_SURFACE in self.settings:
            constraints = _within_reach(boxes, constraints)
        return select_settings(boxes, constraints)

    @property
    def _copied(self) -> bool:
        """Return whether an output copies what the camera encodes, so that nothing can be cropped or scaled."""
        asked = self._pixel_formats
        return isinstance(asked, CopiedFormats) or (isinstance(asked, NativeFormats) and self._begun_whole)

    def _is_about_to_change(self) -> bool:
        """Return whether readers have to wait for settings of another size.

        They do at first, if pictures are copied, and if others depend on them: a reader drops those that are too small.
        """
        codec = CAMERA_CODECS.get(self.pixel_format)
        depends = codec is not None and not codec.intra
        if not self.source.live or (self._begun and not self._copied and not depends):
            return False
        with self._settling:
            try:
                settings = settings_of(self.source, self._select_running())
            except OverconstrainedError:
                return True
            return any(settings.get(name) != self.settings.get(name) for name in ("width", "height"))

    def _broken(self, found: OverconstrainedError) -> OverconstrainedError:
        """Return the error for people: what the source delivers, and which constraint no longer holds."""
        broken = in_words([rule for rule in self._constraints.basic if rule.required and rule.name in found.conflict])
        sentence = f"{self.source.name} changed to {describe_settings(dict(self.source.settings()))}, which breaks {broken}"
        return OverconstrainedError(found.constraint, sentence, conflict=found.conflict, nearest=found.nearest)

    def __del__(self) -> None:
        """Leave the source. The event thread closes it, because a destructor must not wait."""
        if self._ready_state == "live":
            self.source.leave(self)
            self._owner.post(partial(_close_if_unused, self.source, self._owner))

    def _finish(self) -> None:
        self._ready_state = "ended"
        outside(self._leave_at_end, "mscli-leaving")

    def _leave_at_end(self) -> None:
        self.close_queues()
        self._leave(self.source)

    def _leave(self, source: TrackSource) -> None:
        """Detach from a source. It is closed with its last track."""
        if source.detach(self):
            self._owner.forget(source)
        else:
            self._owner.post(partial(_give_back, source))


def _close_if_unused(source: TrackSource, owner: TrackOwner) -> None:
    if source.close_if_unused():
        owner.forget(source)
    else:
        _give_back(source)


def _give_back(source: TrackSource) -> None:
    """Give the size and rate that a track has taken from others back to them, because it has left."""
    for consumer in source.consumers:
        consumer.regain()


def _within_reach(boxes: Sequence[Box], constraints: Constraints) -> Constraints:
    """Return the constraints without those that cannot hold now.

    https://www.w3.org/TR/screen-capture/#constrainable-properties-for-captured-display-surfaces
    """
    kept: list[Rule] = []
    for rule in constraints.basic:
        if feasible(boxes, [*kept, rule]):
            kept.append(rule)
    return constraints._replace(basic=tuple(kept))


def _required(constraints: Constraints) -> list[Rule]:
    return [rule for rule in constraints.basic if rule.required]


class OverconstrainedErrorEvent(Event):
    """An event about constraints of a track that no longer hold. ``error`` says which.

    See https://www.w3.org/TR/2016/CR-mediacapture-streams-20160519/#overconstrainederrorevent. Differs from the standard:
    today's standard mutes the track without this event.
    """

    error = ReadOnly[OverconstrainedError]()

    def __init__(self, type: str, init: Mapping[str, Any]) -> None:  # noqa: A002 (the standard's name)
        self._error: OverconstrainedError = required_member("OverconstrainedErrorEvent", init, "error")
        if not isinstance(self._error, OverconstrainedError):
            raise ArgumentError(
                "OverconstrainedErrorEvent: the member “error” of the init dictionary must be an OverconstrainedError"
            )
        super().__init__(type, init, constraint=self._error.constraint, reason=str(self._error))


class MediaStreamTrackEvent(Event):
    """A track was added or removed: https://www.w3.org/TR/mediacapture-streams/#mediastreamtrackevent.

    Does not differ from the standard.
    """

    track = ReadOnly[MediaStreamTrack]()

    def __init__(self, type: str, init: Mapping[str, Any]) -> None:  # noqa: A002 (the standard's name)
        self._track: MediaStreamTrack = required_member("MediaStreamTrackEvent", init, "track")
        if not isinstance(self._track, MediaStreamTrack):
            raise ArgumentError("MediaStreamTrackEvent: the member “track” of the init dictionary must be a MediaStreamTrack")
        super().__init__(type, init)
