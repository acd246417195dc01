"""getUserMedia: the way from constraints to live tracks, and the devices that are open for them.

https://www.w3.org/TR/mediacapture-streams/#dom-mediadevices-getusermedia
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from threading import Lock, RLock
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from mscli.api.care import Care
from mscli.api.consumer import Consumer, Worker
from mscli.api.copying import CopiedFormats, copied_boxes, formats_to_follow
from mscli.api.driver import STOP_S
from mscli.api.eventthread import EventThread
from mscli.api.livesource import LiveSource
from mscli.api.mediadeviceinfo import device_name
from mscli.api.mediastream import MediaStream
from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.api.settings_space import boxes_of
from mscli.api.sharing import boxes_beside, set_device, settings_of
from mscli.api.watch import Watch
from mscli.core.boxes import Box, Mode
from mscli.core.constraints import Constraints, parse_constraints
from mscli.core.derived import native_of
from mscli.core.errors import (
    ArgumentError,
    DOMException,
    NotAllowedError,
    NotFoundError,
    NotReadableError,
    OverconstrainedError,
)
from mscli.core.mailbox import Mailbox, Task
from mscli.core.properties import KINDS, PROPERTIES
from mscli.core.select import select_settings
from mscli.core.selection import Selection, Settings
from mscli.core.webidl import stream_constraints
from mscli.sources.base import VIDEO_INPUT, Abilities, Device

if TYPE_CHECKING:
    from mscli.api.mediadevices import MediaDevices
    from mscli.api.rescue import Rescue

_UNUSABLE = (NotAllowedError, NotReadableError, NotFoundError)  # why another device is tried
_IDENTITY_RULES = ("deviceId", "groupId")  # decided without asking the device

T = TypeVar("T")
S = TypeVar("S")


class Terms(NamedTuple):
    """What is asked for beside the constraints: native formats preferred among equals, and what is done for a device."""

    pixel_formats: Sequence[str] = ()
    care: Care = Care()

    def to_follow(self, track: MediaStreamTrack) -> Terms:
        """For a device that takes over that track from the one before."""
        whole = all(track.settings.get(name) == track.live.native.get(name) for name in ("width", "height"))
        return self._replace(pixel_formats=formats_to_follow(self.pixel_formats, track.pixel_format, whole=whole))


class Choice(NamedTuple):
    """The answer of the negotiation for one kind of track, before the device is opened."""

    kind: str
    device: Device
    selection: Selection
    constraints: Constraints
    mode: Mode | None  # the native one that would run; of sound there is none
    failures: Mapping[str, DOMException]  # by the deviceId, of what cannot be used

    @property
    def passed_over(self) -> tuple[DOMException, ...]:
        """Why better fitting devices are not used."""
        return tuple(error for device_id, error in self.failures.items() if device_id != self.device.device_id)


class UserMedia:
    """The machinery behind one ``MediaDevices``: it chooses, opens and starts devices, and knows which are open.

    ``tasks``: the mailbox of a caller who runs events; without one, a thread of its own does.
    """

    def __init__(self, devices: MediaDevices, tasks: Mailbox | None) -> None:
        self._devices = devices
        self._live: dict[tuple[str, str], LiveSource] = {}
        self._abilities: dict[tuple[str, str], Abilities] = {}  # of every device that was negotiated about, the latest
        self._watch = Watch()
        self._workers: list[Worker] = []
        self._rescues: dict[LiveSource, Rescue] = {}  # the last of each: ``close`` waits for them
        self._turn = RLock()  # of who has devices opened: two that ask at once for the same one are to share it
        self._noting = Lock()  # of workers and rescues: several devices may be lost at once, each on a thread of its own
        self._tasks = tasks or Mailbox()
        self._closed = False
        self._events = None if tasks else EventThread(self._tasks)

    def close(self) -> None:
        """End every track, give every device back, all at once, join every thread."""
        self._closed = True
        rescues = list(self._rescues.values())
        for rescue in rescues:
            rescue.cancel()
        ending = [(live, live.hold.let_go()) for live in list(self._live.values())]
        deadline = monotonic() + STOP_S
        for live, stopping in ending:
            _stop(live.consumers)
            if stopping is not None:
                stopping.join()
            self._forget(live)
        for rescue in rescues:
            rescue.wait(max(0.0, deadline - monotonic()))
        for worker in self._workers:
            worker.join()
        if self._events is not None:
            self._events.stop()

    def poster(self) -> Callable[[Task], None]:
        """What has a task run where events run. Their thread, if there is one, runs from here on."""
        if self._events is not None:
            self._events.start()
        return self._tasks.post

    def negotiate(self, constraints: Mapping[str, Any] | None, terms: Terms) -> list[Choice]:
        """What would be chosen, audio first."""
        asked = stream_constraints(constraints)
        parsed = [(kind, parse_constraints(one, kind)) for kind, one in asked.items()]
        return _for_each(parsed, lambda one: self._choose(*one, terms))

    def get_user_media(
        self,
        constraints: Mapping[str, Any] | None,
        terms: Terms,
        prepare: Callable[[MediaStream], object] | None,
        on_choices: Callable[[Sequence[Choice]], object],
    ) -> MediaStream:
        """Choose all, tell what was chosen, open all devices, then start all: they begin together, or none stays open.

        A device that does not open or start is passed over for the next that fits. When it does not start, ``prepare`` has had
        the stream already: the track stays, and the settings that it had are kept where they can be.
        """
        with self._turn:
            choices = self.negotiate(constraints, terms)
            on_choices(choices)
            tracks: list[MediaStreamTrack] = []
            try:
                _for_each(choices, lambda choice: tracks.append(self._track(choice, terms)))
                stream = MediaStream(tracks)
                if prepare is not None:
                    prepare(stream)
                for track in reversed(tracks):  # cameras first: they take longer to give their first frame
                    self._start_or_replace(track, terms)
            except BaseException:
                _stop(tracks)
                raise
            if self._closed:  # by another thread, which did not know of a device that was being opened
                _stop(tracks)
            return stream

    def _track(self, choice: Choice, terms: Terms) -> MediaStreamTrack:
        while True:
            live, settings, chosen = self._acquire(choice, terms)
            track = MediaStreamTrack(live, settings, choice.constraints, self._forget, chosen.passed_over)
            if not live.ended:
                return track
            track.stop()  # the last one on it was stopped meanwhile: it is opened anew

    # From constraints to settings

    def _choose(
        self, kind: str, constraints: Constraints, terms: Terms, refused: Mapping[str, DOMException] | None = None
    ) -> Choice:
        devices = self._devices.list_devices([KINDS[kind]], terms.care.patience.first_s)
        if not devices:
            raise _reason(refused.values()) if refused else self._devices.missing([KINDS[kind]])
        _check_selecting(constraints)
        plausible = [device for device in devices if _plausible(device, constraints)]
        failures = dict(refused or {})
        among = plausible or devices
        boxes = self._boxes(devices, among, failures, terms)
        try:
            selection = select_settings(boxes, constraints, terms.pixel_formats)
        except OverconstrainedError:
            if (plausible or refused) and failures:  # a device that cannot be used might have fitted: people have to know that
                raise _reason(failures.values()) from None
            if among == devices:
                raise
            boxes += self._boxes(devices, [device for device in devices if device not in among], {}, terms)
            selection = select_settings(boxes, constraints)  # raises, with what failed on all devices
        mode = native_of(selection.box, selection.settings, terms.pixel_formats)[1]
        told = {device_id: _told_apart(error, device_id, devices) for device_id, error in failures.items()}
        return Choice(kind, selection.box.device, selection, constraints, mode, told)

    def _boxes(self, devices: list[Device], among: list[Device], failures: dict[str, DOMException], terms: Terms) -> list[Box]:
        """The settings spaces of the devices ``among`` all; one that cannot be asked goes into ``failures``."""
        boxes: list[Box] = []
        for device in among:
            if device.device_id in failures:
                continue
            try:
                boxes += self._boxes_of(device, devices.index(device), terms)
            except DOMException as error:
                failures[device.device_id] = error
        return boxes

    def _boxes_of(self, device: Device, place: int, terms: Terms) -> list[Box]:
        live = self._live.get(_key(device))
        if live is not None and not live.ended:
            return boxes_beside(live, live.consumers, place)
        abilities = self._devices.abilities_of(device, terms.care.patience.first_s)
        self._abilities[_key(device)] = abilities
        if isinstance(terms.pixel_formats, CopiedFormats) and device.kind == VIDEO_INPUT:
            return copied_boxes(device, abilities, place, terms.pixel_formats)
        boxes = boxes_of(device, abilities, place)
        if not boxes:
            raise NotReadableError(f"{device_name(device)} tells no mode that it could be set to")
        return boxes

    # From settings to a live track

    def _acquire(self, choice: Choice, terms: Terms) -> tuple[LiveSource, Settings, Choice]:
        """The best device that can be opened: one that is busy or denied is passed over for the next that fits."""
        while True:
            try:
                return *self._open(choice, terms), choice
            except _UNUSABLE as error:
                refused = {**choice.failures, choice.device.device_id: error}
                choice = self._choose(choice.kind, choice.constraints, terms, refused)

    def _open(self, choice: Choice, terms: Terms) -> tuple[LiveSource, Settings]:
        key = _key(choice.device)
        live = self._live.get(key)
        if live is not None and not live.ended:
            for track in set_device(live, choice.selection, terms.pixel_formats):
                track.source_changed()
            return live, settings_of(live, choice.selection)
        device, care = choice.device, terms.care
        settled = self._devices.backend_of(device), self._abilities[key]
        live = LiveSource(device, *settled, self._tasks.post, self._keep, care.patience)
        live.open(*native_of(choice.selection.box, choice.selection.settings, terms.pixel_formats))
        settings = settings_of(live, choice.selection)
        _check_settings(live, settings, choice.constraints)
        if care.reconnect_s or care.fallback:
            live.rescue = partial(self._rescue, terms)
        self._live[key] = live
        return live, settings

    def _start_or_replace(self, track: MediaStreamTrack, terms: Terms) -> None:
        """Start a track's device, or the next one that fits. Raises why none does."""
        try:
            self._start(track.live)
        except _UNUSABLE as error:
            self._replace(track, terms, error)

    def _replace(self, track: MediaStreamTrack, terms: Terms, error: DOMException, *, told: bool = False) -> None:
        """Move a track to the next device that fits, opens and starts, unless it is stopped. Raises why there is none.

        ``told``: say so before its first frame.
        """
        refused = {track.live.device.device_id: error, **self._gone(track.live.device.kind)}
        while track.ready_state == "live":
            choice = self._choose(track.kind, track.constraints_to_stay, terms, refused)
            track.move(*self._acquire(choice, terms))
            if track.live.ended:  # the last one on it was stopped meanwhile: it is opened anew
                continue
            if told:
                track.changed()
            try:
                self._start(track.live)
                return
            except _UNUSABLE as failure:
                refused[track.live.device.device_id] = failure

    def _start(self, live: LiveSource) -> None:
        if self._events is not None:
            self._events.start()
        if not live.started:
            self._watch.add(live)  # before it may end
            live.start()
            if not live.wanted:  # its tracks were stopped before it was watched
                self._watch.remove(live)

    def _keep(self, worker: Worker) -> None:
        """Wait for it in ``close``."""
        with self._noting:
            self._workers = [other for other in self._workers if not other.join(0)] + [worker]

    # When a device is gone

    def _rescue(self, terms: Terms, live: LiveSource) -> None:
        from mscli.api.rescue import Rescue

        watch = self._devices.backend_of(live.device).watch
        replace = partial(self._replace_all, terms)
        rescue = Rescue(live, terms.care, self._devices.find, watch, replace)
        with self._noting:
            self._rescues = {lost: other for lost, other in self._rescues.items() if not other.wait(0)} | {live: rescue}
        rescue.start()

    def _replace_all(self, terms: Terms, live: LiveSource) -> None:
        """Move every track of a device to another one. Raises why one cannot."""
        assert live.error is not None, "it is gone"
        for track in live.consumers:
            if isinstance(track, MediaStreamTrack):
                with self._turn:
                    self._move(track, terms.to_follow(track), live.error)

    def _move(self, track: MediaStreamTrack, terms: Terms, error: DOMException) -> None:
        """Move a track whose device is gone. Raises why that cannot be; on one that did not start, it has ended then."""
        try:
            self._replace(track, terms, error, told=True)
        except BaseException:
            if not track.live.started:
                track.live.give_up(error)
            raise

    def _gone(self, kind: str) -> dict[str, DOMException]:
        """Why open devices of that kind give nothing, by the deviceId: what is lost itself takes no other's place."""
        lives = [live for live in list(self._live.values()) if live.device.kind == kind]
        return {live.device.device_id: live.error for live in lives if live.error is not None}

    def _forget(self, live: LiveSource) -> None:
        self._watch.remove(live)
        rescue = self._rescues.get(live)
        if rescue is not None:
            rescue.cancel()
        if self._live.get(_key(live.device)) is live:
            self._live.pop(_key(live.device), None)  # ``close`` and the thread of events may both come here


def _key(device: Device) -> tuple[str, str]:
    return device.kind, device.device_id


def _stop(tracks: Iterable[Consumer]) -> None:
    for track in tracks:
        track.stop()


def _told_apart(error: DOMException, device_id: str, devices: Sequence[Device]) -> DOMException:
    """The error of a device, with its path where others have the same label and the message does not have it."""
    labels = [device.label for device in devices]
    path = next((each.path for each in devices if each.device_id == device_id and labels.count(each.label) > 1), None)
    return type(error)(f"{path}: {error.message}", hints=error.hints) if path and path not in error.message else error


def _reason(failures: Iterable[DOMException]) -> DOMException:
    """The first that is no denial, if there is one: as long as others are left, denied devices do not count."""
    return min(failures, key=lambda error: isinstance(error, NotAllowedError))


def _for_each(items: Iterable[T], step: Callable[[T], S]) -> list[S]:
    """Take the step for each. That a device may not or cannot be used is told when all were tried, the former first."""
    done: list[S] = []
    held: list[DOMException] = []
    for item in items:
        try:
            done.append(step(item))
        except (NotAllowedError, NotReadableError) as error:
            held.append(error)
    if held:
        raise min(held, key=lambda error: isinstance(error, NotReadableError))
    return done


def _check_selecting(constraints: Constraints) -> None:
    """Raise TypeError for a required constraint by which no device may be selected."""
    for rule in constraints.basic:
        if rule.required and not PROPERTIES[rule.name].selects:
            raise ArgumentError(
                f"{rule.name} cannot be required of a device that is looked for: make it an ideal, or apply it later"
            )


def _plausible(device: Device, constraints: Constraints) -> bool:
    identity = {"deviceId": device.device_id, "groupId": device.group_id}
    return all(rule.allows(identity[rule.name]) for rule in constraints.basic if rule.name in _IDENTITY_RULES)


def _check_settings(live: LiveSource, settings: Settings, constraints: Constraints) -> None:
    """A driver may set something else than was chosen: what it really gives satisfies the constraints, or it is closed."""
    for rule in constraints.basic:
        if rule.required and rule.name in settings and not rule.allows(settings[rule.name]):
            live.hold.stop()
            given = settings[rule.name]
            message = f"the driver of “{live.device.label}” set {rule.name} to {given} instead of what it offers"
            raise OverconstrainedError(rule.name, message, nearest=settings)
