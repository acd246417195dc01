"""Read the options of getDisplayMedia, and choose a display by them. https://www.w3.org/TR/screen-capture/#dom-mediadevices-getdisplaymedia

In a browser the user chooses the display. Here it is the program, by an address; without one, the hints in the options choose
among the displays, or the user of a Wayland desktop does. There is no user activation and no focus to change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

from mscli.api.dictionaries import (
    AudioSelectionPreferenceEnum,
    CaptureStartFocusBehavior,
    MonitorTypeSurfacesEnum,
    SelfCapturePreferenceEnum,
    SurfaceSwitchingPreferenceEnum,
    SystemAudioPreferenceEnum,
    WindowAudioPreferenceEnum,
)
from mscli.api.wanted import Wanted
from mscli.core.errors import ArgumentError, InvalidStateError, NotFoundError
from mscli.core.events import EventTarget
from mscli.core.properties import AUDIO, DISPLAY_SURFACE, VIDEO
from mscli.core.tuples import NamedTuple
from mscli.core.webidl import track_constraints
from mscli.sources.base import MONITOR, WINDOW

if TYPE_CHECKING:
    from mscli.api.mediadeviceinfo import DisplayInfo

_APPLYING = {  # https://www.w3.org/TR/screen-capture/#constrainable-properties-for-captured-display-surfaces
    VIDEO: ("width", "height", "frameRate", "aspectRatio", "resizeMode", DISPLAY_SURFACE, "logicalSurface", "cursor"),
    AUDIO: ("restrictOwnAudio", "suppressLocalAudioPlayback"),
}
_WORDS: dict[str, Any] = {  # option → its words
    "selfBrowserSurface": SelfCapturePreferenceEnum,
    "systemAudio": SystemAudioPreferenceEnum,
    "windowAudio": WindowAudioPreferenceEnum,
    "surfaceSwitching": SurfaceSwitchingPreferenceEnum,
    "monitorTypeSurfaces": MonitorTypeSurfacesEnum,
    "audioSelection": AudioSelectionPreferenceEnum,
}


class CaptureController(EventTarget):
    """A controller of one capture: https://www.w3.org/TR/screen-capture/#dom-capturecontroller.

    The focus stays where it is, whatever is asked for.

    Differs from the standard: there is no focus to change, so that ``set_focus_behavior`` only checks its argument.
    """

    def __init__(self) -> None:
        super().__init__()
        self._bound = False

    def __repr__(self) -> str:
        return f"<CaptureController {'of a capture' if self._bound else 'unused'}>"

    def set_focus_behavior(self, focus_behavior: CaptureStartFocusBehavior) -> None:
        """Say which window is to be in front when the capture starts. Raises TypeError, and InvalidStateError after that."""
        _check_word(focus_behavior, CaptureStartFocusBehavior, "focus_behavior")
        if self._bound:
            raise InvalidStateError("the capture has begun, so its focus is decided")

    def bind(self) -> None:
        """Use it for a capture. Raises InvalidStateError the second time."""
        if self._bound:
            raise InvalidStateError("the controller was used for a capture already")
        self._bound = True


class DisplayRequest(NamedTuple):
    """A parsed request for a display: the constraints of each track (None for no sound), and hints for the choice."""

    video: Mapping[str, Any]
    audio: Mapping[str, Any] | None
    surface: str  # the wished kind of surface, or ""
    monitors: bool  # whether monitors are offered
    system_audio: bool

    def track(self, kind: str, device_id: str) -> Wanted:
        """Return the request for a track of a device."""
        asked = self.video if kind == VIDEO else self.audio
        return Wanted(kind, {**(asked or {}), "deviceId": {"exact": device_id}})

    @property
    def offered(self) -> tuple[str, ...]:
        """Return the kinds of surface among which a user may choose. The wished one is only a hint, which no dialogue takes."""
        return (MONITOR, WINDOW) if self.monitors else (WINDOW,)

    def choose(self, displays: Sequence[DisplayInfo]) -> DisplayInfo:
        """Return the display to capture. Raises NotFoundError if there are only monitors, which are excluded."""
        offered = [one for one in displays if self.monitors or one.display_surface != MONITOR]
        wished = [one for one in offered if one.display_surface == self.surface]
        if not offered:
            raise NotFoundError("no window found, and monitorTypeSurfaces excludes monitors")
        return (wished or offered)[0]


def parse_options(options: Any) -> DisplayRequest:
    """Return what a ``DisplayMediaStreamOptions`` asks for, and bind its controller. Raises TypeError, InvalidStateError."""
    if options is not None and not isinstance(options, Mapping):
        raise ArgumentError(f"options must be an object, not {options!r}")
    given: Mapping[str, Any] = options or {}
    for name, words in _WORDS.items():
        if name in given:
            _check_word(given[name], words, name)
    controller = given.get("controller")
    if controller is not None and not isinstance(controller, CaptureController):
        raise ArgumentError(f"controller is a CaptureController, not {controller!r}")
    if controller is not None:
        controller.bind()
    video, audio = _constraints(given.get("video", True), VIDEO), _constraints(given.get("audio", False), AUDIO)
    if video is None:
        raise ArgumentError("a display has video, so video cannot be false")
    surface = _first(video.get(DISPLAY_SURFACE))
    monitors = given.get("monitorTypeSurfaces") != "exclude"
    if surface == MONITOR and not monitors:
        raise ArgumentError("a monitor is asked for, and monitorTypeSurfaces excludes monitors")
    return DisplayRequest(video, audio, surface, monitors, given.get("systemAudio") != "exclude")


def _check_word(word: object, words: Any, name: str) -> None:
    if word not in get_args(words):
        raise ArgumentError(f"{name} is {' or '.join(get_args(words))}, not {word!r}")


def _constraints(asked: Any, kind: str) -> Mapping[str, Any] | None:
    """Return the constraints that apply to a track of a display, or None if there is to be no track. Raises TypeError."""
    if not isinstance(asked, Mapping):
        return {} if asked is None or asked else None
    if "advanced" in asked:
        raise ArgumentError(f"{kind}.advanced cannot be used for a display; apply it to the track")
    converted = track_constraints(asked, kind)
    applying = {name: converted[name] for name in _APPLYING[kind] if name in converted}
    for name, value in applying.items():
        required = [one for one in ("min", "exact") if isinstance(value, Mapping) and one in value]
        if required:
            raise ArgumentError(f"{kind}.{name}.{required[0]} cannot be used for a display; make it ideal or a maximum")
    return applying


def _first(value: Any) -> str:
    """Return the first wished word of a constraint, or ""."""
    wished = value.get("ideal") if isinstance(value, Mapping) else value
    words = wished if isinstance(wished, list) else [wished]
    return str(words[0]) if words and words[0] else ""
