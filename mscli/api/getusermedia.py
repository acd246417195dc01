"""getUserMedia: turn a list of wanted tracks into live tracks, and keep the devices that are open for them.

https://www.w3.org/TR/mediacapture-streams/#dom-mediadevices-getusermedia
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from threading import RLock
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakValueDictionary, ref

from mscli.api.eventthread import EventThread
from mscli.api.machine import Machine
from mscli.api.mediastream import MediaStream
from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.api.nativeformats import CopiedFormats, copied_boxes, formats_to_follow
from mscli.api.settings_space import boxes_of
from mscli.api.sharing import boxes_beside, set_source, settings_of
from mscli.api.wanted import Wanted, names_of
from mscli.core.boxes import Box, Mode
from mscli.core.calls import together
from mscli.core.constraints import Constraints, parse_constraints
from mscli.core.derived import native_of
from mscli.core.errors import (
    ArgumentError,
    DOMException,
    InvalidStateError,
    NotAllowedError,
    NotFoundError,
    NotReadableError,
    NotSupportedError,
    OverconstrainedError,
)
from mscli.core.eventloop import EventLoop, Task
from mscli.core.limits import STOP_S, ReconnectPolicy
from mscli.core.locks import finish_handed_over, shared_lock
from mscli.core.log import Log
from mscli.core.properties import AUDIO, KINDS, PROPERTIES, VIDEO
from mscli.core.select import select_settings
from mscli.core.selection import Selection, Settings, describe_settings
from mscli.core.tuples import NamedTuple
from mscli.core.webidl import stream_constraints, track_constraints
from mscli.sources.base import VIDEO_INPUT, Abilities, Device, device_name, device_noun
from mscli.sources.device import DeviceSource, Watchdog
from mscli.sources.track import Consumer, TrackSource, Worker

if TYPE_CHECKING:
    from mscli.sources.reconnect import Reconnection

_UNUSABLE = (NotAllowedError, NotReadableError, NotFoundError)  # the errors after which another device is tried
_LISTED = 5  # the most unusable modes in an error
_NO_MODE_HINTS = ("“mscli capabilities” lists all modes", "look for a setting or a newer driver of the camera")
_Opened = tuple[MediaStreamTrack, DeviceSource]
_IDENTITY_RULES = ("deviceId", "groupId")  # decided without querying the device

_log = Log("negotiate")

T = TypeVar("T")
S = TypeVar("S")


class Terms(NamedTuple):
    """The request beyond the constraints: preferred native formats and the reconnect policy.

    ``selects_by_all``: whether a device may be selected by any property, also by those that the standard excludes.
    """

    pixel_formats: Sequence[str] = ()
    policy: ReconnectPolicy = ReconnectPolicy()
    selects_by_all: bool = False

    def to_follow(self, track: MediaStreamTrack, before: DeviceSource) -> Terms:
        """Return the terms for a device that takes over a track from another one."""
        native = before.settings()
        whole = all(track.settings.get(name) == native.get(name) for name in ("width", "height"))
        return self._replace(pixel_formats=formats_to_follow(self.pixel_formats, track.pixel_format, whole=whole))


class Choice(NamedTuple):
    """The result of the negotiation for one track, before the device is opened."""

    kind: str
    device: Device
    selection: Selection
    constraints: Constraints
    mode: Mode | None  # the native mode that would run; None for sound
    failures: Mapping[str, DOMException]  # why devices cannot be used, by deviceId
    apart: Collection[str] = ()  # the deviceIds of other tracks, which this one must not share

    @property
    def passed_over(self) -> tuple[DOMException, ...]:
        """Return why better fitting devices are not used."""
        return tuple(error for device_id, error in self.failures.items() if device_id != self.device.device_id)


class Workers:
    """The workers that ``close`` waits for. Only its own thread keeps a worker alive, until it has ended.

    Needs no lock, also in a signal handler: every access is atomic in Python.
    """

    def __init__(self) -> None:
        self._workers: dict[int, ref[Worker]] = {}  # by ``id``

    def keep(self, worker: Worker) -> None:
        """Wait for a worker in ``join``."""
        number, known = id(worker), self._workers
        known[number] = ref(worker, lambda _: known.pop(number, None))

    def join(self) -> None:
        """Wait for every worker that has not ended."""
        for known in list(self._workers.values()):
            worker = known()
            if worker is not None:
                worker.join()


class UserMedia:
    """The implementation behind one ``MediaDevices``. It chooses, opens and starts devices, and knows which are open.

    ``tasks``: the event loop of a caller who runs events. Without it, a thread does.

    ``MediaDevices`` and each track refer to this object, but neither it nor a thread refers to them. So what is no longer used
    is freed at once, without the cyclic collector, and closes what is open.
    """

    def __init__(self, machine: Machine, tasks: EventLoop | None) -> None:
        self._machine = machine
        self._live: dict[tuple[str, str], DeviceSource] = {}
        self._sources: tuple[TrackSource, ...] = ()  # sources that are not devices
        self._abilities: dict[tuple[str, str], Abilities] = {}  # the latest abilities of every negotiated device
        self._watch = Watchdog()
        self._workers = Workers()
        self._reconnections: WeakValueDictionary[DeviceSource, Reconnection] = WeakValueDictionary()  # the last one of each
        self.turn = RLock()  # held to open devices, so that two callers who want the same device share it
        self._noting = shared_lock()  # of this object's records: several devices may be lost at once, each on its own thread
        self._tasks = tasks or EventLoop()
        self._closed = False
        self.begun = False  # whether devices were opened or watched
        self._events = None if tasks else EventThread(self._tasks)

    def close(self) -> None:
        """End every track, release all devices concurrently, join every thread, close the backends."""
        self._closed = True
        with self._noting:
            reconnections = list(self._reconnections.values())
        for reconnection in reconnections:
            reconnection.cancel()
        ending = [(live, live.handle.let_go()) for live in list(self._live.values())]
        deadline = monotonic() + STOP_S
        for live, stopping in ending:
            _stop(live.consumers)
            if stopping is not None:
                stopping.join()
            self.forget(live)
        for source in self._sources:
            _stop(source.consumers)
        for reconnection in reconnections:
            reconnection.wait(max(0.0, deadline - monotonic()))
        self._workers.join()
        if self._events is not None:
            self._events.stop()
        finish_handed_over(STOP_S)
        self._machine.close()

    def __del__(self) -> None:
        """Close the backends and end the event thread, on that thread, because a destructor must not wait."""
        if not self._closed:
            self._tasks.post(self._machine.close)
            if self._events is not None:
                self._events.end()

    def post(self, task: Task) -> None:
        """Run a task on the event thread."""
        self._tasks.post(task)

    def poster(self) -> Callable[[Task], None]:
        """Return a function that runs a task on the event thread. Start that thread if it is ours."""
        self._begin_events()
        return self._tasks.post

    def _begin_events(self) -> None:
        self.begun = True
        if self._events is not None:
            self._events.start()

    def negotiate(self, wanted: Sequence[Wanted], terms: Terms) -> list[Choice]:
        """Return the choice for each track. If there are several of a kind, errors name the track.

        Several tracks of a kind have a device each, apart from tracks that require the same deviceId.
        """
        asked = [_Asked(name, one.kind, _parsed(one)) for name, one in zip(names_of(wanted), wanted, strict=True)]
        apart = [one for one in asked if one.name and not one.requires_device]
        alone = [one for one in asked if one not in apart]
        choices = _for_each(alone, lambda one: _naming(one.name, lambda: self._choose(one.kind, one.constraints, terms)))
        chosen = list(zip(alone, choices, strict=True))
        for kind in KINDS:
            alike = [one for one in apart if one.kind == kind]
            taken = frozenset(choice.device.device_id for one, choice in chosen if one.kind == kind)
            chosen += zip(alike, self._choose_apart(alike, terms, taken), strict=True)
        found = [next(choice for other, choice in chosen if other is one) for one in asked]
        ids = {kind: {choice.device.device_id for choice in found if choice.kind == kind} for kind in KINDS}
        return [
            choice._replace(apart=ids[one.kind] - {choice.device.device_id}) if one in apart else choice
            for one, choice in zip(asked, found, strict=True)
        ]

    def _choose_apart(self, asked: Sequence[_Asked], terms: Terms, taken: frozenset[str]) -> list[Choice]:
        """Return the choices of devices of one kind, none of which is ``taken`` or chosen twice.

        A track gets its second best device if another track would have none otherwise.
        """
        if not asked:
            return []
        first, *others = asked
        failure: DOMException | None = None
        passed: frozenset[str] = frozenset()
        while True:
            try:
                choose = partial(self._choose, first.kind, first.constraints, terms, apart=taken, without=passed)
                choice = _naming(first.name, choose)
            except (OverconstrainedError, NotFoundError) as error:
                raise failure or error from None
            try:
                return [choice, *self._choose_apart(others, terms, taken | {choice.device.device_id})]
            except (OverconstrainedError, NotFoundError) as error:
                failure = failure or error
                passed |= {choice.device.device_id}

    def get_user_media(
        self,
        wanted: Sequence[Wanted],
        terms: Terms,
        prepare: Callable[[MediaStream], object] | None,
        on_choices: Callable[[Sequence[Choice]], object],
    ) -> MediaStream:
        """Choose devices for all tracks, report the choices, open the devices, then start them together.

        If one fails, all are closed.

        A device that cannot be opened or started is skipped for the next one that fits. If it cannot be started, ``prepare``
        has already seen the stream: the track stays and keeps its settings if possible.
        """
        with self.turn:
            choices = self.negotiate(wanted, terms)
            on_choices(choices)
            opened: list[_Opened] = []
            try:
                _for_each(choices, lambda choice: opened.append(self._track(choice, terms, beside=opened)))
                stream = MediaStream([track for track, _ in opened])
                if prepare is not None:
                    prepare(stream)
                for kind in (VIDEO, AUDIO):  # cameras first, because they take longer to deliver their first frame
                    self._start_together([(track, live) for track, live in opened if track.kind == kind], terms)
            except BaseException:
                _stop(track for track, _ in opened)
                raise
            if self._closed:  # another thread closed everything and did not know of a device that was being opened
                _stop(track for track, _ in opened)
            return stream

    def _track(self, choice: Choice, terms: Terms, beside: Sequence[_Opened]) -> _Opened:
        # the other track on the device may leave fewer settings
        if any(_key(live.device) == _key(choice.device) for _, live in beside):
            choice = self._choose(choice.kind, choice.constraints, terms, apart=choice.apart)
        while True:
            live, settings, chosen = self._acquire(choice, terms)
            track = MediaStreamTrack(live, self, settings, choice.constraints, chosen.passed_over, terms.pixel_formats)
            if not live.ended:
                return track, live
            track.stop()  # its last other track was stopped meanwhile: open the device again

    def add_source(self, source: TrackSource, constraints: Mapping[str, Any] | None) -> MediaStreamTrack:
        """Return a started track of a source that is not a device. Raises the same errors as ``get_user_media``."""
        if source.ended:
            raise InvalidStateError(f"{source.name} has ended")
        asked = parse_constraints(track_constraints(constraints), source.kind)
        selection = select_settings(boxes_beside(source, source.consumers, source), asked)
        for track in set_source(source, selection):
            track.follow()
        track = MediaStreamTrack(source, self, settings_of(source, selection), asked)
        with self._noting:
            known = source in self._sources
            self._sources = (*self._sources, *(() if known else (source,)))
        self._begin_events()
        if not known:
            self._start_or_stop(track, source)
        if self._closed:
            track.stop()
        return track

    def _start_or_stop(self, track: MediaStreamTrack, source: TrackSource) -> None:
        try:
            source.start()
        except BaseException:
            track.stop()
            raise

    # From constraints to settings

    def _choose(
        self,
        kind: str,
        constraints: Constraints,
        terms: Terms,
        refused: Mapping[str, DOMException] | None = None,
        apart: Collection[str] = (),
        without: Collection[str] = (),
    ) -> Choice:
        """Return the best choice among the devices, without those of other tracks (``apart``) and others.

        Raises NotFoundError if only devices of other tracks fit.
        """
        listed = self._machine.candidates(KINDS[kind], constraints, terms.policy.timeouts.first_s)
        devices = [device for device in listed if device.device_id not in (*apart, *without)]
        of_others = [device for device in listed if device.device_id in apart]
        if not devices and of_others and not refused:
            raise _no_other(kind, of_others, "there is no other {noun} than {named}")
        try:
            choice = self._choose_among(devices, kind, constraints, terms, refused)
        except OverconstrainedError:
            if of_others:
                self._choose_among(listed, kind, constraints, terms, refused)  # raises, with what failed on all devices
                raise _no_other(kind, of_others, "no other {noun} than {named} fits") from None
            raise
        return choice._replace(apart=apart)

    def _choose_among(
        self,
        devices: list[Device],
        kind: str,
        constraints: Constraints,
        terms: Terms,
        refused: Mapping[str, DOMException] | None,
    ) -> Choice:
        if not devices:
            raise _reason(refused.values()) if refused else self._machine.missing([KINDS[kind]])
        if not terms.selects_by_all:
            _check_selecting(constraints)
        plausible = [device for device in devices if _plausible(device, constraints)]
        failures = dict(refused or {})
        among = plausible or devices
        boxes = self._boxes(devices, among, failures, terms)
        try:
            selection = select_settings(boxes, constraints, terms.pixel_formats)
        except OverconstrainedError as error:
            _log.debug("%s %s: nothing fits: %s", kind, constraints.source, error)
            if (plausible or refused) and failures:  # an unusable device might have fitted: report why it is unusable
                raise _reason(failures.values()) from None
            if among == devices:
                raise
            boxes += self._boxes(devices, [device for device in devices if device not in among], {}, terms)
            selection = select_settings(boxes, constraints)  # raises, with what failed on all devices
        mode = native_of(selection.box, selection.settings, terms.pixel_formats)[1]
        if _log.debugs:
            _log_choice(kind, constraints, selection, mode, failures)
        reasons = {device_id: _with_path(error, device_id, devices) for device_id, error in failures.items()}
        return Choice(kind, selection.box.device, selection, constraints, mode, reasons)

    def _boxes(self, devices: list[Device], among: list[Device], failures: dict[str, DOMException], terms: Terms) -> list[Box]:
        """Return the settings spaces of the devices in ``among``. A device that cannot be queried goes into ``failures``."""
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
            return boxes_beside(live, live.consumers, device, place)
        abilities = self._machine.abilities_of(device, terms.policy.timeouts.first_s)
        self._abilities[_key(device)] = abilities
        if isinstance(terms.pixel_formats, CopiedFormats) and device.kind == VIDEO_INPUT:
            return copied_boxes(device, abilities, place, terms.pixel_formats)
        boxes = boxes_of(device, abilities, place)
        if not boxes:
            raise _without_mode(device, abilities)
        return boxes

    # From settings to a live track

    def _acquire(self, choice: Choice, terms: Terms) -> tuple[DeviceSource, Settings, Choice]:
        """Open the best device that can be opened. A device that is busy or denied is skipped."""
        while True:
            try:
                return *self._open(choice, terms), choice
            except _UNUSABLE as error:
                refused = {**choice.failures, choice.device.device_id: error}
                choice = self._choose(choice.kind, choice.constraints, terms, refused, choice.apart)

    def _open(self, choice: Choice, terms: Terms) -> tuple[DeviceSource, Settings]:
        key = _key(choice.device)
        live = self._live.get(key)
        if live is not None and not live.ended:
            for track in set_source(live, choice.selection, terms.pixel_formats):
                track.follow()
            return live, settings_of(live, choice.selection)
        device, policy = choice.device, terms.policy
        if live is not None:  # its last track has just left: until it is released, it is busy
            live.handle.wait_released(policy.timeouts.first_s)
        settled = self._machine.backend_of(device), self._abilities[key]
        live = DeviceSource(device, *settled, self._workers.keep, policy.timeouts)
        live.open(*native_of(choice.selection.box, choice.selection.settings, terms.pixel_formats))
        settings = settings_of(live, choice.selection)
        _check_settings(live, settings, choice.constraints)
        if policy.reconnect_s or policy.fallback:
            live.reconnection = partial(self._reconnection, terms, choice.apart)
        self._live[key] = live
        return live, settings

    def _start_together(self, opened: Sequence[_Opened], terms: Terms) -> None:
        """Start the devices of some tracks concurrently. Replace each that fails by the next that fits. Raises if none does."""
        lives = list(dict.fromkeys(live for _, live in opened))
        starts = [partial(self._failure_of_start, live) for live in lives]
        failures = together(starts, "mscli-start") if len(starts) > 1 else [start() for start in starts]
        why = dict(zip(lives, failures, strict=True))
        for track, live in opened:
            error = why[live]
            if error is not None:
                apart = {other.device.device_id for _, other in opened if other is not live}
                self._replace(track, live, terms, error, apart)

    def _failure_of_start(self, live: DeviceSource) -> DOMException | None:
        """Start a device. Return the error if it cannot be used."""
        try:
            self._start(live)
        except _UNUSABLE as error:
            return error
        return None

    def _replace(
        self,
        track: MediaStreamTrack,
        live: DeviceSource,
        terms: Terms,
        error: DOMException,
        apart: Collection[str] = (),
        *,
        notify: bool = False,
    ) -> None:
        """Move a track to the next device that fits, opens and starts, unless the track is stopped. Raises if none does.

        ``notify``: whether to notify of the new device before its first frame. If there is none, end the tracks of a device
        that never started.
        """
        refused = {live.device.device_id: error, **self._gone(live.device.kind)}
        try:
            while track.ready_state == "live":
                choice = self._choose(track.kind, track.constraints_to_stay, terms, refused, apart)
                before, (live, settings, chosen) = live, self._acquire(choice, terms)
                live.succeed(before)
                track.move(live, settings, chosen.passed_over)
                if live.ended:  # its last other track was stopped meanwhile: open the device again
                    continue
                if notify:
                    track.changed()
                try:
                    self._start(live)
                    return
                except _UNUSABLE as failure:
                    refused[live.device.device_id] = failure
        except BaseException:
            if notify and not live.started:
                live.give_up(error)
            raise

    def _start(self, live: DeviceSource) -> None:
        self._begin_events()
        self._watch.add(live)  # before starting, because the device may end at any time
        live.start()
        if not live.wanted:  # its tracks were stopped before it was watched
            self._watch.remove(live)

    def keep(self, worker: Worker) -> None:
        """Wait for a worker in ``close``."""
        self._workers.keep(worker)

    # If a device is gone

    def _reconnection(self, terms: Terms, apart: Collection[str], live: DeviceSource) -> None:
        from mscli.sources.reconnect import Reconnection

        backend = self._machine.backend_of(live.device)
        replace = partial(self._replace_all, terms, apart)
        reconnection = Reconnection(live, terms.policy, self._machine.find, backend.watch, replace, backend.retries)
        with self._noting:
            self._reconnections[live] = reconnection
        reconnection.start()

    def _replace_all(self, terms: Terms, apart: Collection[str], live: DeviceSource) -> None:
        """Move every track of a device to another one. Raises if one cannot be moved."""
        assert live.error is not None, "it is gone"
        for track in live.consumers:
            if isinstance(track, MediaStreamTrack):
                with self.turn:
                    self._replace(track, live, terms.to_follow(track, live), live.error, apart, notify=True)

    def _gone(self, kind: str) -> dict[str, DOMException]:
        """Return why open devices of this kind have failed, by deviceId. A failed device cannot replace another."""
        lives = [live for live in list(self._live.values()) if live.device.kind == kind]
        return {live.device.device_id: live.error for live in lives if live.error is not None}

    def forget(self, source: TrackSource) -> None:
        """Forget a source that was closed with its last track."""
        if isinstance(source, DeviceSource):
            self._forget_device(source)
        with self._noting:
            self._sources = tuple(other for other in self._sources if other is not source)

    def _forget_device(self, live: DeviceSource) -> None:
        self._watch.remove(live)
        reconnection = self._reconnections.get(live)
        if reconnection is not None:
            reconnection.cancel()
        live.reconnection = None
        if self._live.get(_key(live.device)) is live:
            self._live.pop(_key(live.device), None)  # ``close`` and the event thread may both get here


def _log_choice(
    kind: str, constraints: Constraints, selection: Selection, mode: Mode | None, failures: Mapping[str, DOMException]
) -> None:
    for device_id, error in failures.items():
        _log.debug("%s: %s cannot be used: %s", kind, device_id, error)
    chosen = f"{describe_settings(selection.settings)} of “{selection.box.device.label}”"
    native = f", natively {mode.to_json()}" if mode else ""
    decided = f", decided by {selection.decided_by}" if selection.decided_by else ""
    _log.debug("%s %s: %s%s, distance %g%s", kind, constraints.source, chosen, native, selection.distance, decided)


def _key(device: Device) -> tuple[str, str]:
    return device.kind, device.device_id


class _Asked(NamedTuple):
    """A requested track: its name for errors, and its parsed constraints."""

    name: str
    kind: str
    constraints: Constraints

    @property
    def requires_device(self) -> bool:
        """Return whether the constraints require a device by its id."""
        return any(rule.name == "deviceId" and rule.required for rule in self.constraints.basic)


def _parsed(wanted: Wanted) -> Constraints:
    """Return the parsed constraints of a requested track. Raises TypeError."""
    return parse_constraints(stream_constraints({wanted.kind: wanted.constraints})[wanted.kind], wanted.kind)


def _naming(name: str, step: Callable[[], T]) -> T:
    """Run a step. If it raises an error, prefix the message with the name, if there is one."""
    try:
        return step()
    except DOMException as error:
        if name and name not in error.message:
            error.message = f"{name}: {error.message}"
            error.args = (error.message,)
        raise


def _no_other(kind: str, devices: Sequence[Device], sentence: str) -> NotFoundError:
    """Return the error about a track whose only devices are those of other tracks."""
    noun, named = device_noun(KINDS[kind]), " and ".join(f"“{device.label}”" for device in devices)
    hint = f'to record one {noun} twice, require it in both: "deviceId": {{"exact": "{devices[0].device_id}"}}'
    return NotFoundError(sentence.format(noun=noun, named=named), hints=[hint])


def _stop(tracks: Iterable[Consumer]) -> None:
    for track in tracks:
        track.stop()


def _with_path(error: DOMException, device_id: str, devices: Sequence[Device]) -> DOMException:
    """Return a device's error with its path in the message if other devices have the same label."""
    labels = [device.label for device in devices]
    path = next((each.path for each in devices if each.device_id == device_id and labels.count(each.label) > 1), None)
    return type(error)(f"{path}: {error.message}", hints=error.hints) if path and path not in error.message else error


def _without_mode(device: Device, abilities: Abilities) -> DOMException:
    """Return the error about a device without a usable mode."""
    if not abilities.unusable:
        return NotReadableError(f"{device_name(device)} reports no modes")
    listed = "; ".join(map(str, abilities.unusable[:_LISTED]))
    return NotSupportedError(f"{device_name(device)} has no usable mode: {listed}", hints=_NO_MODE_HINTS)


def _reason(failures: Iterable[DOMException]) -> DOMException:
    """Return the first failure that is not a denial, or else the first. Denied devices do not count while there are others."""
    return min(failures, key=lambda error: isinstance(error, NotAllowedError))


def _for_each(items: Iterable[T], step: Callable[[T], S]) -> list[S]:
    """Run the step for each item. Afterwards, raise a NotAllowedError or NotReadableError that occurred, the former first."""
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
    """Raise TypeError for a required constraint that may not be used to select devices."""
    for rule in constraints.basic:
        if rule.required and not PROPERTIES[rule.name].selects:
            raise ArgumentError(f"{rule.name} cannot be required when choosing a device; make it ideal, or apply it later")


def _plausible(device: Device, constraints: Constraints) -> bool:
    identity = {"deviceId": device.device_id, "groupId": device.group_id}
    return all(rule.allows(identity[rule.name]) for rule in constraints.basic if rule.name in _IDENTITY_RULES)


def _check_settings(live: DeviceSource, settings: Settings, constraints: Constraints) -> None:
    """Check that the driver's actual settings satisfy the constraints. Otherwise close it and raise OverconstrainedError."""
    for rule in constraints.basic:
        if rule.required and rule.name in settings and not rule.allows(settings[rule.name]):
            live.handle.stop()
            given = settings[rule.name]
            message = f"the driver of “{live.device.label}” set {rule.name} to {given}, although it offers what was requested"
            raise OverconstrainedError(rule.name, message, nearest=settings)
