"""MediaDevices: the devices of a machine. https://www.w3.org/TR/mediacapture-streams/#mediadevices"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

from mscli.api.mediadeviceinfo import MediaDeviceInfo, device_info
from mscli.core.errors import DOMException, InvalidStateError
from mscli.core.events import EventTarget, Listener
from mscli.core.properties import PROPERTIES
from mscli.sources import load_backend, serves, system_backends
from mscli.sources.base import DEVICE_KINDS, Abilities, Backend, Device

if TYPE_CHECKING:
    from mscli.api.devicewatch import DeviceWatch
    from mscli.api.getusermedia import Choice, UserMedia
    from mscli.api.mediastream import MediaStream
    from mscli.core.mailbox import Mailbox, Task


class MediaDevices(EventTarget):
    """The cameras, microphones and speakers of this machine, or of the given backends.

    ``devicechange`` (a ``DeviceChangeEvent``) fires when devices come or go, or another one is the default. They are followed
    as long as someone listens.

    ``tasks``: the mailbox of a caller who runs events in a loop of its own; otherwise a thread runs them, from the first
    ``get_user_media`` or listener to ``close``. A context manager.
    """

    EVENTS = ("devicechange",)

    def __init__(self, backends: Sequence[Backend] | None = None, *, tasks: Mailbox | None = None) -> None:
        self._watch: DeviceWatch | None = None
        self._on_device_change: Listener | None = None
        self._closed = False
        super().__init__()
        self._given = backends
        self._loaded: dict[str, Backend] = {}
        self._abilities: dict[tuple[str, str], Abilities] = {}
        self._tasks = tasks
        self._user_media: UserMedia | None = None

    def __enter__(self) -> MediaDevices:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End every track, give every device back, join every thread."""
        self._closed = True
        self._follow()
        if self._user_media is not None:
            self._user_media.close()
        for backend in self._backends(DEVICE_KINDS, load=False):
            backend.close()

    def enumerate_devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[MediaDeviceInfo]:
        """The devices that are there now, new objects each time: microphones, cameras, speakers, each default first."""
        return [device_info(device, self.abilities_of) for device in self.list_devices(kinds)]

    def problems(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[str]:
        """Why a family of devices of those kinds lists nothing, a sentence each, after ``enumerate_devices``."""
        return [backend.problem for backend in self._backends(kinds, load=False) if backend.problem]

    def silent(self, kinds: Sequence[str]) -> bool:
        """Whether devices of those kinds may be there, but nobody answered who knows, after ``enumerate_devices``."""
        return any(backend.silent for backend in self._backends(kinds, load=False))

    def get_supported_constraints(self) -> dict[str, bool]:
        """Every constrainable property that is known here."""
        return dict.fromkeys(PROPERTIES, True)

    def negotiate(self, constraints: Mapping[str, Any] | None = None, *, pixel_formats: Sequence[str] = ()) -> list[Choice]:
        """What ``get_user_media`` would choose, audio first; no device is started. Raises as it does."""
        return self._machinery().negotiate(constraints, pixel_formats)

    def get_user_media(
        self,
        constraints: Mapping[str, Any] | None = None,
        *,
        pixel_formats: Sequence[str] = (),
        prepare: Callable[[MediaStream], object] | None = None,
        timeout_s: tuple[float, float] = (5.0, 2.0),
        reconnect_s: float = 0.0,
        fallback: bool = False,
    ) -> MediaStream:
        """A stream of at most one audio and one video track that satisfy the constraints.

        https://www.w3.org/TR/mediacapture-streams/#dom-mediadevices-getusermedia. ``constraints``: a ``MediaStreamConstraints``
        dictionary as ``json.loads`` gives it. ``pixel_formats``: native formats preferred among equals. ``prepare`` is called
        with the stream before its devices run, so that a consumer misses no frame. ``timeout_s``: how long a device may take
        for its first frame, and for the next one from when it is muted, before it is given up. ``reconnect_s``: for how long a
        device that is gone is waited for. ``fallback``: then another one that satisfies the constraints takes its place.

        Raises TypeError, NotFoundError, OverconstrainedError, NotAllowedError, NotReadableError; then nothing stays open.
        """
        from mscli.api.care import Care, Patience

        care = Care(Patience(*timeout_s), reconnect_s, fallback)
        return self._machinery().get_user_media(constraints, pixel_formats, prepare, care)

    # devicechange

    @property
    def ondevicechange(self) -> Listener | None:
        """The handler of ``devicechange``; None: there is none."""
        return self._on_device_change

    @ondevicechange.setter
    def ondevicechange(self, handler: Listener | None) -> None:
        self._on_device_change = handler
        self._follow()

    def add_event_listener(self, type: str, listener: Listener) -> None:  # noqa: A002
        """Call ``listener(event)`` whenever such an event fires; adding the same one twice changes nothing."""
        super().add_event_listener(type, listener)
        self._follow()

    def remove_event_listener(self, type: str, listener: Listener) -> None:  # noqa: A002
        """Stop calling ``listener``; unknown listeners are ignored."""
        super().remove_event_listener(type, listener)
        self._follow()

    def _follow(self) -> None:
        """Watch the devices if someone listens, and only then."""
        heard = self._on_device_change is not None or bool(self._listeners.get("devicechange"))
        if heard and not self._closed and self._watch is None:
            from mscli.api.devicewatch import DeviceWatch

            post = self._machinery().poster()
            tell = partial(self._tell_change, post)
            self._watch = DeviceWatch(self._backends(DEVICE_KINDS), lambda backend: list(_listed(backend, DEVICE_KINDS)), tell)
        elif self._watch is not None and (self._closed or not heard):
            watch, self._watch = self._watch, None
            watch.close()

    def _tell_change(self, post: Callable[[Task], None], devices: list[Device], inserted: list[Device]) -> None:
        from mscli.api.devicechangeevent import DeviceChangeEvent

        infos = {device_info(device, self.abilities_of): device in inserted for device in sorted(devices, key=_order)}
        came = tuple(info for info, is_new in infos.items() if is_new)
        event = DeviceChangeEvent("devicechange", {"devices": tuple(infos)}, inserted=came)
        post(lambda: self.dispatch_event(event))

    def _machinery(self) -> UserMedia:
        """What opens devices, imported when that is asked for the first time."""
        from mscli.api.getusermedia import UserMedia

        self._abilities.clear()
        if self._user_media is None:
            self._user_media = UserMedia(self, self._tasks)
        return self._user_media

    # What its parts know of the backends

    def list_devices(self, kinds: Sequence[str]) -> list[Device]:
        """The devices as their backends list them, in the standard's order. Raises InvalidStateError after ``close``."""
        if self._closed:
            raise InvalidStateError("these MediaDevices were closed")
        found = [device for backend in self._backends(kinds) for device in _listed(backend, kinds)]
        return sorted(found, key=_order)

    def backend_of(self, device: Device) -> Backend:
        """The backend that listed a device."""
        return next(backend for backend in self._backends(DEVICE_KINDS, load=False) if backend.name == device.backend)

    def abilities_of(self, device: Device) -> Abilities:
        """What a device can do, asked once for each negotiation. Raises NotReadableError, NotAllowedError."""
        key = device.kind, device.device_id
        if key not in self._abilities:
            self._abilities[key] = self.backend_of(device).abilities(device)
        return self._abilities[key]

    def _backends(self, kinds: Sequence[str], *, load: bool = True) -> list[Backend]:
        if self._given is not None:
            return list(self._given)
        for name in system_backends() if load else ():
            if serves(name, kinds) and name not in self._loaded:
                self._loaded[name] = load_backend(name)
        return [backend for name, backend in self._loaded.items() if serves(name, kinds)]


def _order(device: Device) -> tuple[int, bool]:
    return DEVICE_KINDS.index(device.kind), not device.default


def _listed(backend: Backend, kinds: Sequence[str]) -> Iterable[Device]:
    """A backend's devices; one whose system interface fails as a whole hides no other backend."""
    try:
        return backend.devices(kinds)
    except DOMException as error:
        backend.problem = str(error)
        return ()
