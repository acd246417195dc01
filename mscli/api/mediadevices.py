"""MediaDevices: the devices of a machine, and the way from constraints to a stream.

https://www.w3.org/TR/mediacapture-streams/#mediadevices
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from mscli.api.eventthread import EventThread
from mscli.api.livesource import LiveSource, Watch, device_noun
from mscli.api.mediadeviceinfo import MediaDeviceInfo, device_info
from mscli.api.mediastream import MediaStream
from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.api.settings_space import boxes_of
from mscli.api.sharing import boxes_beside, set_device, settings_of
from mscli.core.boxes import Box
from mscli.core.constraints import Constraints, parse_constraints
from mscli.core.derived import native_of
from mscli.core.errors import (
    DOMException,
    InvalidStateError,
    NotAllowedError,
    NotFoundError,
    NotReadableError,
    OverconstrainedError,
)
from mscli.core.events import EventTarget
from mscli.core.mailbox import Mailbox
from mscli.core.properties import KINDS, PROPERTIES
from mscli.core.select import Selection, Settings, select_settings
from mscli.core.webidl import stream_constraints
from mscli.sources import load_backend, serves, system_backends
from mscli.sources.base import DEVICE_KINDS, Abilities, Backend, Device

_IDENTITY_RULES = ("deviceId", "groupId")  # decided without asking the device


@dataclass(frozen=True, slots=True)
class Choice:
    """The answer of the negotiation for one kind of track, before the device is opened."""

    kind: str
    device: Device
    selection: Selection
    constraints: Constraints
    passed_over: tuple[DOMException, ...] = ()  # why better fitting devices are not used


class MediaDevices(EventTarget):
    """The cameras, microphones and speakers of this machine, or of the given backends.

    ``tasks``: the mailbox of a caller who runs events in a loop of its own; otherwise a thread runs them, from the first
    ``get_user_media`` to ``close``. A context manager.
    """

    EVENTS = ("devicechange",)

    def __init__(self, backends: Sequence[Backend] | None = None, *, tasks: Mailbox | None = None) -> None:
        super().__init__()
        self._given = backends
        self._loaded: dict[str, Backend] = {}
        self._live: dict[tuple[str, str], LiveSource] = {}
        self._abilities: dict[tuple[str, str], Abilities] = {}
        self._watch = Watch()
        self._tasks = tasks or Mailbox()
        self._events = None if tasks else EventThread(self._tasks)
        self._closed = False

    def __enter__(self) -> MediaDevices:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End every track, give every device back, join every thread."""
        self._closed = True
        for live in list(self._live.values()):
            live.on_ended(None)
            live.stop()
            self._forget(live)
        for backend in self._backends(DEVICE_KINDS, load=False):
            backend.close()
        if self._events is not None:
            self._events.stop()

    # Devices

    def enumerate_devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[MediaDeviceInfo]:
        """The devices that are there now, new objects each time: microphones, cameras, speakers, each default first."""
        return [device_info(device, self._abilities_of) for device in self._devices(kinds)]

    def problems(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[str]:
        """Why a family of devices of those kinds lists nothing, a sentence each, after ``enumerate_devices``."""
        return [backend.problem for backend in self._backends(kinds, load=False) if backend.problem]

    def get_supported_constraints(self) -> dict[str, bool]:
        """Every constrainable property that is known here."""
        return dict.fromkeys(PROPERTIES, True)

    def _backends(self, kinds: Sequence[str], *, load: bool = True) -> list[Backend]:
        if self._given is not None:
            return list(self._given)
        for name in system_backends() if load else ():
            if serves(name, kinds) and name not in self._loaded:
                self._loaded[name] = load_backend(name)
        return [backend for name, backend in self._loaded.items() if serves(name, kinds)]

    def _devices(self, kinds: Sequence[str]) -> list[Device]:
        if self._closed:
            raise InvalidStateError("these MediaDevices were closed")
        found = [device for backend in self._backends(kinds) for device in _listed(backend, kinds)]
        return sorted(found, key=lambda device: (DEVICE_KINDS.index(device.kind), not device.default))

    def _backend_of(self, device: Device) -> Backend:
        return next(backend for backend in self._backends(DEVICE_KINDS, load=False) if backend.name == device.backend)

    def _abilities_of(self, device: Device) -> Abilities:
        key = _key(device)
        if key not in self._abilities:
            self._abilities[key] = self._backend_of(device).abilities(device)
        return self._abilities[key]

    # From constraints to settings

    def negotiate(self, constraints: Mapping[str, Any] | None = None, *, pixel_formats: Sequence[str] = ()) -> list[Choice]:
        """What ``get_user_media`` would choose, audio first; no device is started. Raises as it does."""
        self._abilities.clear()
        asked = stream_constraints(constraints)
        return [self._choose(kind, parse_constraints(one, kind), pixel_formats) for kind, one in asked.items()]

    def get_user_media(
        self,
        constraints: Mapping[str, Any] | None = None,
        *,
        pixel_formats: Sequence[str] = (),
        prepare: Callable[[MediaStreamTrack], object] | None = None,
    ) -> MediaStream:
        """A stream of at most one audio and one video track that satisfy the constraints.

        https://www.w3.org/TR/mediacapture-streams/#dom-mediadevices-getusermedia. ``constraints``: a ``MediaStreamConstraints``
        dictionary as ``json.loads`` gives it. ``pixel_formats``: native formats preferred among equals. ``prepare`` is called
        with each track before its device streams, so that a consumer misses no frame.

        Raises TypeError, NotFoundError, OverconstrainedError, NotAllowedError, NotReadableError; then nothing stays open.
        """
        self._abilities.clear()
        asked = stream_constraints(constraints)
        tracks: list[MediaStreamTrack] = []
        try:
            for kind, one in asked.items():
                tracks.append(self._acquire(kind, parse_constraints(one, kind), pixel_formats))
            for track in tracks:
                if prepare is not None:
                    prepare(track)
            for track in tracks:
                self._start(track)
        except BaseException:
            for track in tracks:
                track.stop()
            raise
        return MediaStream(tracks)

    def _choose(
        self,
        kind: str,
        constraints: Constraints,
        pixel_formats: Sequence[str],
        refused: Mapping[str, DOMException] | None = None,
    ) -> Choice:
        devices = self._devices([KINDS[kind]])
        if not devices:
            raise self._not_found(kind)
        plausible = [device for device in devices if _plausible(device, constraints)]
        failures = dict(refused or {})
        boxes = self._boxes(devices, plausible or devices, failures)
        try:
            selection = select_settings(boxes, constraints, pixel_formats)
        except OverconstrainedError:
            if plausible and failures:  # a device that cannot be used might have fitted: that is what people have to know
                raise next(iter(failures.values())) from None
            raise
        chosen = selection.box.device
        passed_over = tuple(error for device_id, error in failures.items() if device_id != chosen.device_id)
        return Choice(kind, chosen, selection, constraints, passed_over)

    def _boxes(self, devices: list[Device], among: list[Device], failures: dict[str, DOMException]) -> list[Box]:
        """The settings spaces of the devices ``among`` all; one that cannot be asked goes into ``failures``."""
        boxes: list[Box] = []
        for device in among:
            if device.device_id in failures:
                continue
            try:
                boxes += self._boxes_of(device, devices.index(device))
            except DOMException as error:
                failures[device.device_id] = error
        return boxes

    def _boxes_of(self, device: Device, place: int) -> list[Box]:
        live = self._live.get(_key(device))
        if live is not None and not live.ended:
            return boxes_beside(live, live.consumers, place)
        return boxes_of(device, self._abilities_of(device), place)

    def _not_found(self, kind: str) -> NotFoundError:
        return NotFoundError(f"there is no {device_noun(KINDS[kind])} on this machine", hints=self.problems([KINDS[kind]]))

    # From settings to a live track

    def _acquire(self, kind: str, constraints: Constraints, pixel_formats: Sequence[str]) -> MediaStreamTrack:
        """A track on the best device that can be opened: one that is busy is passed over for the next that fits."""
        refused: dict[str, DOMException] = {}
        while True:
            choice = self._choose(kind, constraints, pixel_formats, refused)
            try:
                live, settings = self._open(choice, pixel_formats)
            except NotAllowedError:
                raise
            except (NotReadableError, NotFoundError) as error:
                refused[choice.device.device_id] = error
                continue
            return MediaStreamTrack(live, settings, constraints, self._forget, choice.passed_over)

    def _open(self, choice: Choice, pixel_formats: Sequence[str]) -> tuple[LiveSource, Settings]:
        key = _key(choice.device)
        live = self._live.get(key)
        if live is not None and not live.ended:
            return live, set_device(live, choice.selection, pixel_formats)
        live = LiveSource(choice.device, self._backend_of(choice.device), self._abilities_of(choice.device), self._tasks.post)
        live.open(*native_of(choice.selection.box, choice.selection.settings, pixel_formats))
        settings = settings_of(live, choice.selection)
        _check_settings(live, settings, choice.constraints)
        self._live[key] = live
        return live, settings

    def _start(self, track: MediaStreamTrack) -> None:
        if self._events is not None:
            self._events.start()
        if not track.live.started:
            track.live.start()
            self._watch.add(track.live)

    def _forget(self, live: LiveSource) -> None:
        self._watch.remove(live)
        if self._live.get(_key(live.device)) is live:
            del self._live[_key(live.device)]


def _key(device: Device) -> tuple[str, str]:
    return device.kind, device.device_id


def _listed(backend: Backend, kinds: Sequence[str]) -> Iterable[Device]:
    """A backend's devices; one whose system interface fails as a whole hides no other backend."""
    try:
        return backend.devices(kinds)
    except DOMException as error:
        backend.problem = str(error)
        return ()


def _plausible(device: Device, constraints: Constraints) -> bool:
    identity = {"deviceId": device.device_id, "groupId": device.group_id}
    return all(rule.allows(identity[rule.name]) for rule in constraints.basic if rule.name in _IDENTITY_RULES)


def _check_settings(live: LiveSource, settings: Settings, constraints: Constraints) -> None:
    """A driver may set something else than was chosen: what it really gives satisfies the constraints, or it is closed."""
    for rule in constraints.basic:
        if rule.required and rule.name in settings and not rule.allows(settings[rule.name]):
            live.stop()
            given = settings[rule.name]
            message = f"the driver of “{live.device.label}” set {rule.name} to {given} instead of what it offers"
            raise OverconstrainedError(rule.name, message, nearest=settings)
