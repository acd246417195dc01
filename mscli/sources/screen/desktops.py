"""The screen on macOS and Windows, by FFmpeg's avfoundation and gdigrab through PyAV.

https://ffmpeg.org/ffmpeg-devices.html#avfoundation and #gdigrab. They take a picture as often as they are asked to, without its
time, and draw the pointer themselves, so that it can only be left out when a display is opened.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mscli.core.addresses import scheme_of
from mscli.core.boxes import Mode, Scalar, Span
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.controls import Control
from mscli.core.errors import DOMException, NotAllowedError, NotFoundError, NotReadableError, NotSupportedError
from mscli.core.frames import Media, VideoFrame
from mscli.core.tuples import NamedTuple
from mscli.sources.base import (
    DEVICE_KINDS,
    DISPLAY,
    MONITOR,
    VIDEO_INPUT,
    WINDOW,
    Abilities,
    Backend,
    Device,
    Request,
    Source,
    Surface,
    ThreadedSource,
)
from mscli.sources.displays import REGION, SCREEN, WINDOWS, find_display, region_of
from mscli.sources.screen.stream import ALWAYS, NEVER, PIXEL_FORMAT

RATES = Span(1, 120)  # frames per second
_USUAL_RATE = 30.0
_CURSOR = Control((ALWAYS, NEVER), ALWAYS, ALWAYS)
_PERMISSION = "let the terminal record the screen: System Settings, Privacy & Security, Screen Recording"
_CAPTURED = "Capture screen "  # what FFmpeg calls a monitor of macOS, before its number


class Grab(NamedTuple):
    """A device for FFmpeg to open: the name of its family, its address among these, and options."""

    format: str
    target: str
    options: Mapping[str, str]


class GrabError(Exception):
    """FFmpeg could not open a device, or read from it."""


def open_grab(grab: Grab) -> Any:
    """Return what FFmpeg has opened. Raises PermissionError, GrabError."""
    import av

    try:
        return av.open(grab.target, "r", format=grab.format, container_options=dict(grab.options))
    except PermissionError:
        raise
    except (av.FFmpegError, OSError, ValueError) as error:
        raise GrabError(getattr(error, "strerror", None) or str(error)) from error


class GrabBackend(Backend):
    """The displays of a system that FFmpeg captures, or the one at an address. ``opened``: opens what it is given.

    Raises NotFoundError, NotAllowedError, NotReadableError, NotSupportedError, and TypeError for a malformed address.
    """

    def __init__(self, address: str = "", *, opened: Callable[[Grab], Any] = open_grab) -> None:
        self._address, self._opened = address, opened
        if address:
            self._surface = self._find(address)
            with self._open(_USUAL_RATE, ALWAYS) as container:
                picture = container.streams.video[0].codec_context
                self._surface = self._surface._replace(width=picture.width, height=picture.height)

    @abstractmethod
    def displays(self) -> list[Device]:
        """Return the displays of this system, the main one first."""

    @abstractmethod
    def grab(self, surface: Surface, rate: float, cursor: str) -> Grab:
        """Return what FFmpeg is to open for a display. Raises NotSupportedError."""

    def _find(self, address: str) -> Surface:
        surface = find_display(address, self.displays()).surface
        assert surface is not None, "every display has one"
        return surface

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        """Return the displays, or the one at the address."""
        if not self._address:
            return self.displays() if DISPLAY in kinds else []
        surface = self._surface
        found = Device(self._address, VIDEO_INPUT, surface.name, self._address, self.name, handle=surface, surface=surface)
        return [found] if VIDEO_INPUT in kinds else []

    def abilities(self, device: Device) -> Abilities:
        """Return what a track of the display can be set to."""
        surface: Surface = device.handle
        values: dict[str, tuple[Scalar, ...]] = {"displaySurface": (surface.kind,), "logicalSurface": (True,)}
        return Abilities([Mode(PIXEL_FORMAT, surface.width, surface.height, RATES)], values, {"cursor": _CURSOR})

    def open(self, device: Device, request: Request) -> Source:  # noqa: ARG002 (there is only one)
        """Open the display. Raises NotReadableError, NotAllowedError."""
        given = {**request.settings, "cursor": request.settings.get("cursor", ALWAYS)}
        return GrabSource(self._open(float(given["frameRate"]), str(given["cursor"])), self._surface.name, given)

    def _open(self, rate: float, cursor: str) -> Any:
        name = self._surface.name
        try:
            return self._opened(self.grab(self._surface, rate, cursor))
        except PermissionError:
            raise NotAllowedError(f"this program may not capture “{name}”", hints=[_PERMISSION]) from None
        except GrabError as error:
            raise self._failure(name, str(error)) from error

    def _failure(self, name: str, reason: str) -> DOMException:
        return NotReadableError(f"cannot capture “{name}”: {reason}")


class MacBackend(GrabBackend):
    """The monitors of macOS. ``listed``: returns FFmpeg's list of them."""

    name = "avfoundation"

    def __init__(
        self,
        address: str = "",
        *,
        opened: Callable[[Grab], Any] = open_grab,
        listed: Callable[[str], Sequence[Any]] | None = None,
    ) -> None:
        self._listed = listed
        super().__init__(address, opened=opened)

    def displays(self) -> list[Device]:
        """Return the monitors. They have FFmpeg's numbers among all cameras."""
        if self._listed is None:
            import av

            self._listed = av.enumerate_input_devices
        screens = [one for one in self._listed(self.name) if one.description.startswith(_CAPTURED)]
        return [_monitor(self.name, one.description, int(one.name), main=number == 0) for number, one in enumerate(screens)]

    def _find(self, address: str) -> Surface:
        if scheme_of(address) != SCREEN:
            sentence = f"{scheme_of(address)}: addresses cannot be captured on macOS"
            raise NotSupportedError(sentence, hints=["capture a monitor with --screen"])
        return super()._find(address)

    def grab(self, surface: Surface, rate: float, cursor: str) -> Grab:
        """Return the options of avfoundation."""
        shown = str(int(cursor != NEVER))
        options = {"framerate": f"{rate:g}", "capture_cursor": shown, "pixel_format": "bgr0"}
        return Grab(self.name, f"{surface.ident}:none", options)


class WindowsBackend(GrabBackend):
    """The desktop of Windows with all its monitors, a window by its whole title or its number, or a region."""

    name = "gdigrab"

    def displays(self) -> list[Device]:
        """Return the desktop. FFmpeg lists neither monitors nor windows."""
        return [_monitor(self.name, "desktop", 0, main=True)]

    def _find(self, address: str) -> Surface:
        scheme, text = scheme_of(address), address.partition(":")[2]
        if scheme == REGION:
            return region_of(address)
        if scheme == WINDOWS and text:
            return Surface(WINDOW, text, 0, 0, 0, 0, _number(text))
        return super()._find(address)

    def grab(self, surface: Surface, rate: float, cursor: str) -> Grab:
        """Return the options of gdigrab."""
        options = {"framerate": f"{rate:g}", "draw_mouse": str(int(cursor != NEVER))}
        if surface.kind == WINDOW:
            return Grab(self.name, f"hwnd={surface.ident:#x}" if surface.ident else f"title={surface.name}", options)
        if scheme_of(self._address) == REGION:
            size = f"{surface.width}x{surface.height}"
            options |= {"offset_x": str(surface.x), "offset_y": str(surface.y), "video_size": size}
        return Grab(self.name, "desktop", options)

    def _failure(self, name: str, reason: str) -> DOMException:
        if self._surface.kind == WINDOW:
            hints = ["give the whole title of the window, as window:TITLE, or its number, as window:0x1a2b"]
            return NotFoundError(f"cannot capture the window “{name}”: {reason}", hints=hints)
        return super()._failure(name, reason)


class GrabSource(ThreadedSource):
    """An open display. Its thread reads the pictures, and closes what FFmpeg has opened."""

    def __init__(self, container: Any, name: str, settings: Mapping[str, Scalar]) -> None:
        self._container, self._name, self._given = container, name, settings
        picture = container.streams.video[0].codec_context
        self._size = {"width": picture.width, "height": picture.height}

    @property
    def settings(self) -> Mapping[str, Scalar]:
        """Return the settings with which it was opened, and the size that FFmpeg says."""
        return {**self._given, **self._size, "screenPixelRatio": 1.0}

    def set(self, controls: Mapping[str, Scalar]) -> Mapping[str, Scalar]:  # noqa: ARG002 (it is opened with it)
        """Return whether the pointer is shown, which cannot be changed now."""
        return {"cursor": self._given["cursor"]}

    def frames(self) -> Iterator[Media]:
        """Yield pictures until FFmpeg has no more. Raises NotReadableError."""
        import av

        from mscli.media.pictures import as_video_frame

        like = VideoFrame("", 0, 0, 0, (), (), round(MICROSECONDS / float(self._given["frameRate"])))
        try:
            for number, picture in enumerate(self._container.decode(video=0)):
                yield replace(as_video_frame(picture, like), timestamp=now_us(), sequence=number)
        except (av.FFmpegError, OSError) as error:
            raise NotReadableError(f"“{self._name}” can no longer be captured: {error.strerror}") from error
        raise NotReadableError(f"“{self._name}” can no longer be captured")

    def stop(self) -> None:
        """Stop, and close what FFmpeg has opened."""
        super().stop()
        self._container.close()


def _monitor(backend: str, name: str, number: int, *, main: bool) -> Device:
    surface = Surface(MONITOR, name, 0, 0, 0, 0, number)
    address = f"{SCREEN}:{name}"
    return Device(
        address, DISPLAY, name, "", backend, main, path=address, handle=surface, names=(str(number),), surface=surface
    )


def _number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        return 0
