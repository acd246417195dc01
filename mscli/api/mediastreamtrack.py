"""MediaStreamTrack and MediaStreamTrackEvent: one stream of picture or sound from a device.

https://www.w3.org/TR/mediacapture-streams/#mediastreamtrack
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any

from mscli.api.livesource import LiveSource
from mscli.api.settings_space import boxes_of, capabilities_of
from mscli.api.sharing import boxes_beside, boxes_running, set_device, settings_of
from mscli.core.boxes import Box
from mscli.core.constraints import Constraints, Rule, in_words, parse_constraints
from mscli.core.derived import DERIVED
from mscli.core.errors import DOMException, OverconstrainedError
from mscli.core.events import Event, EventTarget, required_member
from mscli.core.frames import Frame, blank
from mscli.core.ids import random_uuid
from mscli.core.mailbox import VIDEO_LANE_BYTES, Lane, Mailbox
from mscli.core.properties import KINDS
from mscli.core.readonly import ReadOnly
from mscli.core.select import feasible, select_settings
from mscli.core.selection import Settings, describe_settings
from mscli.core.shaping import Shaper
from mscli.core.webidl import track_constraints
from mscli.sinks import load_sound_converter

Shape = Callable[[Any], Frame | None]  # from a native frame to the track's; None: it is left out

if TYPE_CHECKING:
    from mscli.api.getusermedia import Choice

_HINTS = {"video": ("", "motion", "detail", "text"), "audio": ("", "speech", "speech-recognition", "music")}
_INHERENT = ("deviceId", "facingMode", "groupId")
_HEARD = ("sampleRate", "channelCount", "sampleSize")
_SHAPED = {"video": ("width", "height", "frameRate"), "audio": _HEARD}
_SHAPES: Mapping[str, Callable[[Settings, Settings], Shape]] = {
    "video": lambda settings, native: Shaper(settings, native).shape,
    "audio": lambda settings, _: load_sound_converter(*(int(settings[name]) for name in _HEARD)),
}
_KEPT = (("width", "height"), ("frameRate",), ("sampleRate",), ("channelCount",), ("sampleSize",))  # from most to least dear
_TRACK_KIND = {device_kind: kind for kind, device_kind in KINDS.items()}


class MediaStreamTrack(EventTarget):
    """A live camera or microphone, or one that has ended. Made by ``get_user_media`` and ``clone`` only.

    Events: ``mute``, ``unmute`` (frames stop coming, and come again), ``ended`` (the device is gone; not after ``stop``) and
    ``configurationchange`` (the settings changed by themselves; https://www.w3.org/TR/mediacapture-extensions/), and
    ``overconstrained`` (so that the constraints do not hold; https://www.w3.org/TR/2016/CR-mediacapture-streams-20160519/).
    """

    EVENTS = ("mute", "unmute", "ended", "overconstrained", "configurationchange")

    id = ReadOnly[str]()
    kind = ReadOnly[str]()
    label = ReadOnly[str]()
    muted = ReadOnly[bool]()
    ready_state = ReadOnly[str]()

    def __init__(
        self,
        live: LiveSource,
        settings: Settings,
        constraints: Constraints,
        release: Callable[[LiveSource], None],
        passed_over: tuple[DOMException, ...] = (),
    ) -> None:
        super().__init__()
        self._id = random_uuid()
        self._kind = _TRACK_KIND[live.device.kind]
        self._label = live.device.label
        self.enabled = True
        self._muted = self._source_muted = live.muted
        self._ready_state = "live"
        self.passed_over = passed_over  # why better fitting devices are not used
        self.live = live
        self._content_hint = ""
        self._constraints = constraints
        self._release = release
        self._lanes: tuple[Lane, ...] = ()  # replaced as a whole: the device's thread reads it without a lock
        self._replacing = Lock()  # of the lanes: readers come and go on threads of their own
        self._lost_before = live.lost
        self._overconstrained = ""  # what about the constraints does not hold, while the track is muted for that
        self.settings = settings
        self._shapes: tuple[tuple[int, Shape | None], ...] = ()  # replaced as a whole, too
        self._settling = RLock()  # of these, and of the constraints: nobody holds it who waits for anything
        live.attach(self)
        self.reshape()  # after that: the device may just be set otherwise

    def __repr__(self) -> str:
        return f"<MediaStreamTrack {self.kind} “{self.label}” {self.ready_state}>"

    @property
    def content_hint(self) -> str:
        """What the content is like, for encoders; values that its kind does not have are ignored (mst-content-hint)."""
        return self._content_hint

    @content_hint.setter
    def content_hint(self, value: str) -> None:
        if value in _HINTS[self.kind]:
            self._content_hint = value

    @property
    def ended_error(self) -> DOMException | None:
        """Why the device ended by itself, or is gone (unplugged, failed); None while it is there, and after ``stop``."""
        return self.live.error

    @property
    def lost(self) -> int:
        """Frames (samples per channel for sound) lost before us since the track began: driver, bus, overrun, stall."""
        return self.live.lost - self._lost_before

    @property
    def pixel_format(self) -> str:
        """The format in which the camera gives its frames; empty for sound."""
        return self.live.mode.pixel_format if self.live.mode else ""

    @property
    def mode(self) -> dict[str, Any] | None:
        """The native mode that runs, with the contract's keys; None for sound."""
        return self.live.mode.to_json() if self.live.mode else None

    def get_settings(self) -> dict[str, Any]:
        """The settings in effect, with IDL keys; of an ended track those inherent in its device (``settings``: all)."""
        known = _INHERENT if self.ready_state == "ended" else self.settings
        return {name: value for name, value in self.settings.items() if name in known}

    def get_constraints(self) -> dict[str, Any]:
        """The constraints applied last, as they were given (after WebIDL conversion)."""
        return deepcopy(dict(self._constraints.source))

    def get_capabilities(self) -> dict[str, Any]:
        """The ranges and lists of values that the device can be set to, with IDL keys."""
        return capabilities_of(boxes_of(self.live.device, self.live.abilities, 0))

    def apply_constraints(self, constraints: Mapping[str, Any] | None = None) -> None:
        """Find settings for new constraints and change to them; without any, all constraints are taken away.

        Raises TypeError, OverconstrainedError (nothing changed then) and NotReadableError: the mode could not be set. Then the
        device goes on as before; if it cannot, or its driver hangs, it is gone.
        """
        asked = parse_constraints(track_constraints(constraints), self.kind)
        with self.live.turn:
            if self.ready_state == "ended":
                return
            boxes = boxes_beside(self.live, [other for other in self.live.consumers if other is not self])
            selection = select_settings(boxes, asked)
            adapting = set_device(self.live, selection, take=lambda settings: self._settle(settings, asked))
        for track in adapting:
            track.source_changed()
        self._tell_muted("")

    def remember(self) -> Callable[[], None]:
        """What brings back the settings and the constraints that it has now."""
        return partial(self._settle, self.settings, self._constraints, self._overconstrained)

    def _settle(self, settings: Settings, constraints: Constraints, overconstrained: str = "") -> None:
        with self._settling:
            self.settings, self._constraints, self._overconstrained = settings, constraints, overconstrained
            self.reshape()

    def accepts(self, boxes: Sequence[Box]) -> bool:
        """Whether the constraints could be satisfied out of these boxes."""
        return feasible(boxes, self._constraints.basic)

    def forbids(self, resize_mode: str) -> bool:
        """Whether the constraints rule that resizeMode out."""
        return not all(rule.allows(resize_mode) for rule in self._constraints.basic if rule.name == "resizeMode")

    def reshape(self) -> None:
        """Derive the track's frames from what the device gives now; they are untouched where they are that already.

        Frames stamped ``settings_timestamp`` (microseconds) or later have the settings, earlier ones those before.
        """
        with self._settling:
            native, shape = self.live.native, None
            if any(self.settings.get(name) != native.get(name) for name in _SHAPED[self.kind]):
                shape = _SHAPES[self.kind](self.settings, native)
                self.settings = self.settings | ({"resizeMode": DERIVED} if self.kind == "video" else {})
            since_us = self.settings_timestamp = self.live.newest_us + 1
            before = [earlier for earlier in self._shapes if earlier[0] < since_us]
            self._shapes = ((since_us, shape), *before[:1])

    @property
    def constraints_to_stay(self) -> Constraints:
        """The constraints, and after them the wish that what the frames are like now stays."""
        wishes = [[Rule(name, exact=(self.settings[name],)) for name in names if name in self.settings] for names in _KEPT]
        return self._constraints._replace(advanced=(*self._constraints.advanced, *map(tuple, filter(None, wishes))))

    def move(self, live: LiveSource, settings: Settings, choice: Choice) -> None:
        """Go on with another device, in the same lanes: sound stays what it was, whatever the device can do.

        The device before is given back if no other track is on it.
        """
        before, lost = self.live, self.lost
        same = {name: self.settings[name] for name in _HEARD if name in self.settings}
        live.succeed(before)
        with self._settling:
            self.live, self.settings, self._label = live, settings | same, live.device.label
            self.reshape()
        self._lost_before = live.lost - lost
        self.passed_over = choice.passed_over
        live.attach(self)
        self._leave(before)
        if self.ready_state == "ended":  # stopped while the other device was opened
            self._leave(live)

    def changed(self) -> None:
        """Say that what the track gives has changed by itself, and that it is no longer muted if its device is not."""
        self.live.post(self._tell_changed)

    def _tell_changed(self) -> None:
        if self.ready_state == "live":
            self.dispatch_event(Event("configurationchange", settings=self.get_settings()))
            self.source_muted(self.live.muted, "")

    def clone(self) -> MediaStreamTrack:
        """An independent track on the same device, with the same constraints; ended if this one is."""
        twin = MediaStreamTrack(self.live, dict(self.settings), self._constraints, self._release)
        twin.enabled, twin._muted, twin._content_hint = self.enabled, self.muted, self._content_hint
        if self.ready_state == "ended":
            twin._finish()
        return twin

    def stop(self) -> None:
        """End the track; the device is given back with its last track. Fires no event."""
        if self.ready_state == "live":
            self._finish()

    def open_lane(self, mailbox: Mailbox, limit_bytes: int = VIDEO_LANE_BYTES) -> Lane:
        """Begin to put the track's frames into ``mailbox``; the lane's bound and policy are ``Lane``'s."""
        lane = mailbox.lane(limit_bytes)
        with self._replacing:
            self._lanes = (*self._lanes, lane)
        if self.ready_state == "ended" or self.live.ended:  # the device may be gone before the track has been told
            lane.close()
        return lane

    def close_lane(self, lane: Lane) -> None:
        """Put no more frames into that lane."""
        with self._replacing:
            self._lanes = tuple(other for other in self._lanes if other is not lane)
        lane.close()

    def deliver(self, frame: Frame) -> None:
        """Take a frame from the device's thread: hand it, or black and silence, to every lane."""
        if not self._lanes:
            return
        shape = next((shape for from_us, shape in self._shapes if frame.timestamp >= from_us), None)
        shaped = frame if shape is None else shape(frame)
        if shaped is None:
            return
        muted = self.live.muted or bool(self._overconstrained)  # ahead of the events: no frame waits for them
        shown = blank(shaped) if muted or not self.enabled else shaped
        for lane in self._lanes:
            lane.put(shown)

    def close_lanes(self) -> None:
        """No frame will follow."""
        for lane in self._lanes:
            lane.close()

    def source_ended(self) -> None:
        """The device is gone: end the track and say so."""
        if self.ready_state == "live":
            self._finish()
            self.dispatch_event(Event("ended", reason=str(self.ended_error or "")))

    def source_muted(self, muted: bool, reason: str) -> None:
        """Frames stopped coming, and why, or they come again."""
        self._source_muted = muted
        self._tell_muted(reason)

    def _tell_muted(self, reason: str) -> None:
        muted = self._source_muted or bool(self._overconstrained)
        if self.ready_state == "live" and self.muted != muted:
            self._muted = muted
            detail = {"reason": reason} if reason else {}
            self.dispatch_event(Event("mute" if muted else "unmute", **detail))

    def source_changed(self) -> None:
        """The device is set otherwise, and not by us: settings follow it, the wished-for shape kept where it can be.

        Where the constraints cannot hold, ``overconstrained`` fires, and the track is muted until they do.
        """
        if self.ready_state != "live":
            return
        event = self._follow()
        if event is not None:
            self.dispatch_event(event)
        self._tell_muted(self._overconstrained)

    def _follow(self) -> Event | None:
        """Settle for what the device gives now; the event that tells what is new."""
        with self._settling:
            before = self.settings
            try:
                selection = select_settings(boxes_running(self.live), self.constraints_to_stay)
            except OverconstrainedError as found:
                error = self._broken(found)
                self._overconstrained = str(error)
                return OverconstrainedErrorEvent("overconstrained", {"error": error})
            self._settle(settings_of(self.live, selection), self._constraints)
            return Event("configurationchange", settings=self.get_settings()) if self.settings != before else None

    def _broken(self, found: OverconstrainedError) -> OverconstrainedError:
        """The error for people: what the device gives, and what no longer holds."""
        broken = in_words([rule for rule in self._constraints.basic if rule.required and rule.name in found.conflict])
        sentence = f"{self.live.name} now gives {describe_settings(self.live.native)}: {broken} no longer holds"
        return OverconstrainedError(found.constraint, sentence, conflict=found.conflict, nearest=found.nearest)

    def _finish(self) -> None:
        self._ready_state = "ended"
        self.close_lanes()
        self._leave(self.live)

    def _leave(self, live: LiveSource) -> None:
        """Take no more from that device, which is given back with its last track."""
        if live.detach(self):
            self._release(live)


class OverconstrainedErrorEvent(Event):
    """The constraints of a track no longer hold: ``error`` says which."""

    error = ReadOnly[OverconstrainedError]()

    def __init__(self, type: str, init: Mapping[str, Any]) -> None:  # noqa: A002 (the standard's name)
        self._error: OverconstrainedError = required_member("OverconstrainedErrorEvent", init, "error")
        super().__init__(type, constraint=self._error.constraint, reason=str(self._error))


class MediaStreamTrackEvent(Event):
    """A track joined or left a stream: https://www.w3.org/TR/mediacapture-streams/#mediastreamtrackevent."""

    track = ReadOnly[MediaStreamTrack]()

    def __init__(self, type: str, init: Mapping[str, Any]) -> None:  # noqa: A002 (the standard's name)
        self._track: MediaStreamTrack = required_member("MediaStreamTrackEvent", init, "track")
        super().__init__(type)
