"""MediaDevices: the devices of a machine. https://www.w3.org/TR/mediacapture-streams/#mediadevices"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any

from mscli.api.care import USUAL, Care
from mscli.api.listing import Listing
from mscli.api.mediadeviceinfo import MediaDeviceInfo, device_info, device_name, device_noun
from mscli.core.errors import DOMException, InvalidStateError, NotFoundError, NotReadableError
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
        self._replacing = Lock()  # of the watch and the machinery: callers may have threads of their own
        super().__init__()
        self._given = None if backends is None else list(map(Listing, backends))
        self._loaded: dict[str, Listing] = {}
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
        for listing in self._listings(DEVICE_KINDS, load=False):
            listing.backend.close()

    def enumerate_devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[MediaDeviceInfo]:
        """The devices that are there now, new objects each time: microphones, cameras, speakers, each default first."""
        return [device_info(device, self.abilities_of) for device in self.list_devices(kinds)]

    def problems(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[str]:
        """Why a family of devices of those kinds lists nothing, a sentence each, after ``enumerate_devices``."""
        return [listing.problem for listing in self._listings(kinds, load=False) if listing.problem]

    def silent(self, kinds: Sequence[str]) -> bool:
        """Whether devices of those kinds may be there, but nobody answered who knows, after ``enumerate_devices``."""
        return any(listing.silent for listing in self._listings(kinds, load=False))

    def missing(self, kinds: Sequence[str]) -> DOMException:
        """The error that there is no device of those kinds, or that nobody can tell, after ``enumerate_devices``."""
        if self.silent(kinds):
            return NotReadableError("; ".join(self.problems(kinds)))
        nouns = " and no ".join(map(device_noun, kinds))
        return NotFoundError(f"there is no {nouns} on this machine", hints=self.problems(kinds))

    def get_supported_constraints(self) -> dict[str, bool]:
        """Every constrainable property that is known here."""
        return dict.fromkeys(PROPERTIES, True)

    def negotiate(
        self,
        constraints: Mapping[str, Any] | None = None,
        *,
        pixel_formats: Sequence[str] = (),
        timeout_s: tuple[float, float] = USUAL,
    ) -> list[Choice]:
        """What ``get_user_media`` would choose, audio first; no device is started. Raises as it does."""
        from mscli.api.getusermedia import Terms

        return self._machinery().negotiate(constraints, Terms(pixel_formats, Care.asked(timeout_s)))

    def get_user_media(
        self,
        constraints: Mapping[str, Any] | None = None,
        *,
        pixel_formats: Sequence[str] = (),
        on_choices: Callable[[Sequence[Choice]], object] = lambda _: None,
        prepare: Callable[[MediaStream], object] | None = None,
        timeout_s: tuple[float, float] = USUAL,
        reconnect_s: float = 0.0,
        fallback: bool = False,
    ) -> MediaStream:
        """A stream of at most one audio and one video track that satisfy the constraints.

        https://www.w3.org/TR/mediacapture-streams/#dom-mediadevices-getusermedia. ``constraints``: a
        ``MediaStreamConstraints`` dictionary as ``json.loads`` gives it. ``pixel_formats``: native formats preferred among
        equals. ``on_choices`` is called with what was chosen, before a device is opened for it. ``prepare`` is called with the
        stream before its devices run, so that a consumer misses no frame. ``timeout_s``: how long a device may take for its
        first frame and for any answer of its driver, and for the next frame from when it is muted, before it is given up.
        ``reconnect_s``: for how long a device that is gone is waited for. ``fallback``: then another one that satisfies the
        constraints takes its place.

        Raises TypeError, NotFoundError, OverconstrainedError, NotAllowedError, NotReadableError; then nothing stays open.
        """
        from mscli.api.getusermedia import Terms

        terms = Terms(pixel_formats, Care.asked(timeout_s, reconnect_s, fallback=fallback))
        return self._machinery().get_user_media(constraints, terms, prepare, on_choices)

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
        made = [self._begin_watch()] if self._is_heard and self._watch is None else []  # a backend may be slow: under no lock
        with self._replacing:
            there = made if self._watch is None else [self._watch, *made]
            self._watch = there.pop(0) if there and self._is_heard else None
        for watch in there:
            watch.close()

    @property
    def _is_heard(self) -> bool:
        """Whether someone listens, and there is still something to be heard."""
        heard = self._on_device_change is not None or bool(self._listeners.get("devicechange"))
        return heard and not self._closed

    def _begin_watch(self) -> DeviceWatch:
        from mscli.api.devicewatch import DeviceWatch

        tell = partial(self._tell_change, self._machinery().poster())
        return DeviceWatch(self._listings(DEVICE_KINDS), tell)

    def _tell_change(self, post: Callable[[Task], None], devices: list[Device], inserted: list[Device]) -> None:
        from mscli.api.devicechangeevent import DeviceChangeEvent

        infos = {device_info(device, self.abilities_of): device in inserted for device in sorted(devices, key=_order)}
        came = tuple(info for info, is_new in infos.items() if is_new)
        event = DeviceChangeEvent("devicechange", {"devices": tuple(infos)}, inserted=came)
        post(lambda: self.dispatch_event(event))

    def _machinery(self) -> UserMedia:
        """What opens devices, imported when that is asked for the first time."""
        from mscli.api.getusermedia import UserMedia

        with self._replacing:
            if self._user_media is None:
                self._user_media = UserMedia(self, self._tasks)
            return self._user_media

    # What its parts know of the backends

    def list_devices(self, kinds: Sequence[str], timeout_s: float = USUAL.first_s) -> list[Device]:
        """The devices as their backends list them, in the standard's order. Raises InvalidStateError after ``close``.

        A backend that does not answer within ``timeout_s`` seconds lists none; ``problems`` says so.
        """
        if self._closed:
            raise InvalidStateError("these MediaDevices were closed")
        found = [device for listing in self._listings(kinds) for device in listing.look(kinds, timeout_s) or ()]
        return sorted(found, key=_order)

    def backend_of(self, device: Device) -> Backend:
        """The backend that listed a device."""
        return self._listing_of(device).backend

    def find(self, device: Device, timeout_s: float) -> Device | None:
        """The device as it is listed now, if it is there. Raises NotReadableError if nobody can tell within that time."""
        listing = self._listing_of(device)
        listed = listing.look([device.kind], timeout_s)
        if listed is None:
            raise NotReadableError(listing.problem)
        return next((other for other in listed if other.device_id == device.device_id), None)

    def abilities_of(self, device: Device, timeout_s: float = USUAL.first_s) -> Abilities:
        """What a device can do. Raises NotReadableError (also when it hangs for longer than that), NotAllowedError."""
        from mscli.api.driver import answer

        ask = partial(self.backend_of(device).abilities, device)
        return answer(ask, timeout_s, device_name(device), "answer", lambda _: None)

    def _listing_of(self, device: Device) -> Listing:
        return next(one for one in self._listings(DEVICE_KINDS, load=False) if one.backend.name == device.backend)

    def _listings(self, kinds: Sequence[str], *, load: bool = True) -> list[Listing]:
        if self._given is not None:
            return self._given
        for name in system_backends() if load else ():
            if serves(name, kinds) and name not in self._loaded:
                self._loaded.setdefault(name, Listing(load_backend(name)))  # another thread may be faster
        return [listing for name, listing in list(self._loaded.items()) if serves(name, kinds)]


def _order(device: Device) -> tuple[int, bool]:
    return DEVICE_KINDS.index(device.kind), not device.default
