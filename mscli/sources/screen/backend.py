"""The displays of this system, and what is at an address of the display."""

from __future__ import annotations

from collections.abc import Sequence

from mscli.core.addresses import scheme_of
from mscli.core.boxes import Mode, Scalar, Span
from mscli.core.controls import Control
from mscli.core.errors import ArgumentError, DOMException, NotReadableError
from mscli.sources.base import (
    DEVICE_KINDS,
    DISPLAY,
    MONITOR,
    VIDEO_INPUT,
    Abilities,
    Backend,
    Device,
    Request,
    Source,
    Surface,
)
from mscli.sources.displays import REGION, SCREEN, WINDOWS, find_display, region_of
from mscli.sources.screen.stream import ALWAYS, MOTION, NEVER, PIXEL_FORMAT, ScreenSource
from mscli.sources.screen.xserver import XServer

RATES = Span(5, 120)  # frames per second; slower tracks leave pictures out
_NUMBERS = 1 << 32  # of windows: each has 32 bits
_CURSOR = Control((ALWAYS, MOTION, NEVER), ALWAYS, ALWAYS)


class ScreenBackend(Backend):
    """The displays of the X server, or the one at an address, as a camera.

    ``display``: the name of the X display, by default that of the environment. Raises NotFoundError, NotAllowedError,
    NotReadableError, NotSupportedError, and TypeError for a malformed address.
    """

    name = "screen"

    def __init__(self, address: str = "", *, display: str = "") -> None:
        self._address, self._display = address, display
        self._server: XServer | None = None  # the connection that found the display, until it is opened
        self._surface: Surface | None = None
        if address:
            self._find()

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        """Return the monitors, the main one first, and then the windows, or the display at the address."""
        if not self._address:
            return self._displays() if DISPLAY in kinds else []
        if VIDEO_INPUT not in kinds:
            return []
        surface = self._surface or self._find()
        return [Device(self._address, VIDEO_INPUT, surface.name, self._address, self.name, handle=surface, surface=surface)]

    def _displays(self) -> list[Device]:
        self.problem = ""
        try:
            server = XServer(self._display)
        except DOMException as error:
            self.problem = "; ".join((error.message, *error.hints[:1]))
            return []
        try:
            return _listed(server, windows=True)
        finally:
            server.close()

    def _find(self) -> Surface:
        """Connect, and find the display at the address."""
        scheme = scheme_of(self._address)
        place = region_of(self._address) if scheme == REGION else None
        server = XServer(self._display)
        try:
            if place is None:
                surface = _numbered(server, self._address) or _found(server, self._address, windows=scheme == WINDOWS)
            else:
                surface = _within(place, server.whole())
            self._pixel_ratio = server.pixel_ratio
        except BaseException:
            server.close()
            raise
        self.close()
        self._server, self._surface = server, surface
        return surface

    def abilities(self, device: Device) -> Abilities:
        """Return what a track of the display can be set to."""
        surface: Surface = device.handle
        values: dict[str, tuple[Scalar, ...]] = {"displaySurface": (surface.kind,), "logicalSurface": (True,)}
        return Abilities([Mode(PIXEL_FORMAT, surface.width, surface.height, RATES)], values, {"cursor": _CURSOR})

    def open(self, device: Device, request: Request) -> Source:
        """Open the display.

        Raises NotReadableError if the window is minimised, and NotSupportedError for pixels that we do not read.
        """
        server, self._server = self._server or XServer(self._display), None
        surface: Surface = device.handle
        self._surface = None  # look again the next time
        try:
            if surface.ident and not server.shows(surface.ident):
                hints = ["restore it if it is minimised"]
                raise NotReadableError(f"the window “{surface.name}” is not shown", hints=hints)
            server.check(surface)
            region = scheme_of(self._address) == REGION
            return ScreenSource(server, surface, request.settings, self._pixel_ratio, region=region)
        except BaseException:
            server.close()
            raise

    def close(self) -> None:
        """Close the connection that nobody has opened a display with."""
        if self._server is not None:
            self._server.close()
            self._server = None


def _listed(server: XServer, *, windows: bool) -> list[Device]:
    """Return the monitors and, if wanted, the windows."""
    surfaces = [*server.monitors(), *(server.windows() if windows else ())]
    return [_display(surface, main=number == 0) for number, surface in enumerate(surfaces)]


def _display(surface: Surface, *, main: bool) -> Device:
    number = f"0x{surface.ident:x}"
    address = f"{SCREEN}:{surface.name}" if surface.kind == MONITOR else f"{WINDOWS}:{number}"
    names = () if surface.kind == MONITOR else (number,)
    return Device(
        address, DISPLAY, surface.name, "", ScreenBackend.name, main, path=address, handle=surface, names=names, surface=surface
    )


def _found(server: XServer, address: str, *, windows: bool) -> Surface:
    surface = find_display(address, _listed(server, windows=windows)).surface
    assert surface is not None, "every display has one"
    return surface


def _numbered(server: XServer, address: str) -> Surface | None:
    """Return the window whose number is in the address, also if no window manager lists it."""
    scheme, _, text = address.partition(":")
    try:
        number = int(text, 0)
    except ValueError:
        return None
    return server.window(number) if scheme.lower() == WINDOWS and 0 < number < _NUMBERS else None


def _within(place: Surface, whole: Surface) -> Surface:
    """Return the place if all of it is on the screen. Raises TypeError."""
    if place.x + place.width > whole.width or place.y + place.height > whole.height:
        screen = f"{whole.width}×{whole.height}"
        raise ArgumentError(f"the region {place.name} is not on the screen, which has {screen} pixels")
    return place
