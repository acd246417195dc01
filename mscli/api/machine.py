"""The devices behind one ``MediaDevices``: those of this machine or of given backends, and those at addresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain, count
from types import MappingProxyType
from typing import TYPE_CHECKING

from mscli.api.listing import Listing
from mscli.core.addresses import masked
from mscli.core.errors import DOMException, InvalidStateError, NotFoundError, NotReadableError
from mscli.core.limits import ADDRESS_SLACK_S, DIALOGUE_S, USUAL_TIMEOUTS
from mscli.sources import find_source, load_backend, load_source, replaced_source, serves, system_backends, unread
from mscli.sources.base import (
    AUDIO_OUTPUT,
    CONTENTS,
    DEVICE_KINDS,
    DISPLAY,
    Abilities,
    Backend,
    Device,
    InputOptions,
    Request,
    Speaker,
    device_name,
    device_noun,
)

if TYPE_CHECKING:
    from mscli.core.boxes import Scalar
    from mscli.core.constraints import Constraints


_CANDIDATES = "mscli devices --kind speaker lists them"
ANY_SCREEN = "screen:"  # the address of the main monitor, or of what the user chooses
_EVERY_KIND = (*DEVICE_KINDS, DISPLAY)  # in the order of lists


class Machine:
    """A list of the devices, which finds one again and asks what it can do. It knows nothing of tracks."""

    def __init__(self, backends: Sequence[Backend] | None) -> None:
        self.closed = False
        self._given = None if backends is None else list(map(Listing, backends))
        self._loaded: dict[str, Listing] = {}
        self._addressed: dict[str, Listing] = {}  # by address
        self._anew = count()  # those that were added once more
        self._added: dict[str, Listing] = {}  # the same ones by the deviceIds of their devices

    @property
    def names(self) -> str:
        """Return the names of the given backends for people, or “this machine”."""
        given = [listing.backend.name or type(listing.backend).__name__ for listing in self._given or ()]
        return "this machine" if self._given is None else ", ".join(given) or "nothing"

    def close(self) -> None:
        """Close every backend. Safe to call again."""
        self.closed = True
        for listing in [*self.listings(_EVERY_KIND, load=False), *self._addressed.values()]:
            listing.backend.close()

    def check_open(self) -> None:
        """Raise InvalidStateError after ``close``."""
        if self.closed:
            raise InvalidStateError("the MediaDevices are closed")

    def problems(self, kinds: Sequence[str]) -> list[str]:
        """Return why families of these devices list nothing, one sentence each. Call ``devices`` first."""
        return [listing.problem for listing in self.listings(kinds, load=False) if listing.problem]

    def silent(self, kinds: Sequence[str]) -> bool:
        """Return whether a backend of these devices did not answer. Call ``devices`` first."""
        return any(listing.silent for listing in self.listings(kinds, load=False))

    def missing(self, kinds: Sequence[str]) -> DOMException:
        """Return the error if no such device was found or a backend did not answer. Call ``devices`` first."""
        if self.silent(kinds):
            return NotReadableError("; ".join(self.problems(kinds)))
        from mscli.core.trouble import WITHOUT_HARDWARE

        nouns = " or ".join(map(device_noun, kinds))
        return NotFoundError(f"no {nouns} found", hints=[*self.problems(kinds), WITHOUT_HARDWARE])

    def devices(self, kinds: Sequence[str], timeout_s: float = USUAL_TIMEOUTS.first_s) -> list[Device]:
        """Return the devices as their backends list them, in the standard's order. Raises InvalidStateError after ``close``.

        A backend that does not answer within ``timeout_s`` seconds lists none, and ``problems`` reports it.
        """
        self.check_open()
        found = [device for listing in self.listings(kinds) for device in listing.list_devices(kinds, timeout_s) or ()]
        return sorted(found, key=standard_order)

    def candidates(self, kind: str, constraints: Constraints, timeout_s: float) -> list[Device]:
        """Return the devices to choose from: all listed ones, or an added one if the constraints require it."""
        for device_id, listing in self._added.items():
            if _requires(constraints, device_id):
                return [device for device in listing.list_devices([kind], timeout_s) or () if device.device_id == device_id]
        return self.devices([kind], timeout_s)

    def add_address(self, address: str, kinds: Sequence[str], options: InputOptions, *, anew: bool = False) -> list[Device]:
        """Return the devices of these kinds at an address, which can be chosen by their deviceIds from now on.

        ``options``: how it is read, if it was not added before. ``anew``: whether it is added once more in any case.

        Raises NotSupportedError for an address that nothing reads, NotReadableError, and NotFoundError if there is nothing of
        these kinds.
        """
        key = f"{address} {next(self._anew)}" if anew else address
        listing = self._addressed.get(key)
        if listing is None:
            listing = self._addressed.setdefault(key, Listing(self.source_at(address, options)))
        found = listing.list_devices(kinds)
        if not found and listing.problem:
            raise NotReadableError(listing.problem)
        if not found:
            row = find_source(address)
            nouns = (CONTENTS[kind].split()[0] if row is not None and row.contents else device_noun(kind) for kind in kinds)
            raise NotFoundError(f"no {' or '.join(nouns)} at {masked(address)}")
        self._added.update({device.device_id: listing for device in found})
        return found

    @property
    def asks_for_displays(self) -> bool:
        """Return whether the desktop asks its user which display may be captured, and lists none."""
        row = find_source(ANY_SCREEN)
        return self._given is None and row is not None and row.asks

    def source_at(self, address: str, options: InputOptions) -> Backend:
        """Return the backend for an address. Raises NotSupportedError if nothing reads it, NotReadableError if it hangs."""
        from mscli.sources.device import answer

        row = find_source(address)
        if row is None:
            raise unread(address)
        replaced = replaced_source((listing.backend for listing in self._given or ()), row, address)
        if replaced is not None:
            return replaced
        found = answer(
            partial(load_source, row, address, options),
            options.timeout_s + ADDRESS_SLACK_S + (DIALOGUE_S if row.asks else 0),
            f"“{masked(address)}”",
            "open",
            lambda late: late.close(),
        )
        found.name = self._unused(found.name)
        return found

    def _unused(self, name: str) -> str:
        """Return a name that no other address has. Without their secrets, two addresses may be alike."""
        taken = {listing.backend.name for listing in self._addressed.values()}
        names = chain([name], (f"{name} ({number})" for number in count(2)))
        return next(one for one in names if one not in taken)

    def backend_of(self, device: Device) -> Backend:
        """Return the backend that listed a device."""
        return self._listing_of(device).backend

    def open_speaker(self, device_id: str, settings: Mapping[str, Scalar] = MappingProxyType({})) -> Speaker:
        """Open a speaker by its deviceId, or the default one for "", with settings near these.

        Raises NotFoundError, NotReadableError, NotAllowedError, NotSupportedError.
        """
        from mscli.sources.device import answer

        found = self.find_speaker(device_id)
        opening = partial(self.backend_of(found).open_speaker, found, Request(settings))
        return answer(opening, USUAL_TIMEOUTS.first_s, device_name(found), "open", lambda late: late.stop())

    def find_speaker(self, device_id: str) -> Device:
        """Return a speaker by its deviceId, or the default one for "". Raises NotFoundError, NotReadableError."""
        speakers = self.devices([AUDIO_OUTPUT])
        if not speakers:
            raise self.missing([AUDIO_OUTPUT])
        found = next((one for one in speakers if not device_id or one.device_id == device_id), None)
        if found is None:
            raise NotFoundError(f"there is no speaker with the deviceId “{device_id}”", hints=[_CANDIDATES])
        return found

    def is_same_speaker(self, one: str, other: str) -> bool:
        """Return whether two deviceIds mean the same speaker now: "" is the default one."""
        try:
            return self.find_speaker(one).device_id == self.find_speaker(other).device_id
        except DOMException:
            return False

    def find(self, device: Device, timeout_s: float) -> Device | None:
        """Return the device's current entry, or None. Raises NotReadableError if its backend does not answer in time."""
        listing = self._listing_of(device)
        listed = listing.list_devices([device.kind], timeout_s)
        if listed is None:
            raise NotReadableError(listing.problem)
        return next((other for other in listed if other.device_id == device.device_id), None)

    def abilities_of(self, device: Device, timeout_s: float = USUAL_TIMEOUTS.first_s) -> Abilities:
        """Return what a device can do. Raises NotReadableError (also after ``timeout_s`` seconds), NotAllowedError."""
        from mscli.sources.device import answer

        ask = partial(self.backend_of(device).abilities, device)
        return answer(ask, timeout_s, device_name(device), "answer").sensible()

    def _listing_of(self, device: Device) -> Listing:
        added = self._added.get(device.device_id) or self._addressed.get(device.backend)
        return added or next(one for one in self.listings(_EVERY_KIND, load=False) if one.backend.name == device.backend)

    def listings(self, kinds: Sequence[str], *, load: bool = True) -> list[Listing]:
        """Return the backends of these devices. ``load``: whether to load those that are not loaded yet."""
        if self._given is not None:
            return self._given
        for name in system_backends() if load else ():
            if serves(name, kinds) and name not in self._loaded:
                self._loaded.setdefault(name, Listing(load_backend(name)))  # another thread may be faster
        return [listing for name, listing in list(self._loaded.items()) if serves(name, kinds)]


def _requires(constraints: Constraints, device_id: str) -> bool:
    """Return whether the constraints require the device with this id."""
    return any(rule.name == "deviceId" and rule.required and rule.allows(device_id) for rule in constraints.basic)


def standard_order(device: Device) -> tuple[int, bool]:
    """Return the key by which devices are sorted: microphones, cameras, speakers, displays, each default first."""
    return _EVERY_KIND.index(device.kind), not device.default
