"""ImageCapture: take single pictures from a camera's track. https://www.w3.org/TR/image-capture/#imagecaptureapi"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, cast

from mscli.api.blob import Blob
from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.api.mediastreamtrackprocessor import FrameReader
from mscli.api.recording import Delivery
from mscli.core.boxes import Mode, Span
from mscli.core.errors import ArgumentError, InvalidStateError, NotReadableError, NotSupportedError
from mscli.core.eventloop import VIDEO_QUEUE_BYTES
from mscli.core.frames import Media, VideoFrame
from mscli.core.properties import FILL_LIGHT, PROPERTIES, RED_EYE
from mscli.core.readonly import ReadOnly
from mscli.core.webidl import photo_settings as converted
from mscli.core.window import Window
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.sinks import SINKS, SinkRow, load_sink, next_name, sink_row
from mscli.sinks.base import Sink

if TYPE_CHECKING:
    from mscli.api.dictionaries import MediaTrackConstraints

_RED_EYE = {"never": (False,), "always": (True,), "controllable": (False, True)}  # how it is reduced → the possible values
_SIDES = {"imageWidth": "width", "imageHeight": "height"}


def _ignore(_: str) -> None:
    """Accept every name."""


class ImageCapture:
    """A taker of pictures from ``track``. Raises NotSupportedError for an audio track.

        import mscli

        with mscli.MediaDevices() as devices:
            (track,) = devices.get_user_media({"video": {"width": 640}})
            frame = mscli.ImageCapture(track).grab_frame()
            with open("photo.jpg", "wb") as file:
                file.write(mscli.ImageCapture(track).take_photo().bytes())

    See https://www.w3.org/TR/image-capture/#imagecaptureapi. Differs from the standard: calls return a ``Blob`` or a
    ``VideoFrame`` instead of promises; ``grab_frame`` returns a VideoFrame instead of an ImageBitmap, black while the track is
    disabled.
    """

    track = ReadOnly[MediaStreamTrack]()

    def __init__(self, track: MediaStreamTrack) -> None:
        if not isinstance(track, MediaStreamTrack):
            raise ArgumentError("ImageCapture needs a MediaStreamTrack")
        if track.kind != "video":
            raise NotSupportedError("ImageCapture needs a video track")
        self._track = track

    def __repr__(self) -> str:
        return f"<ImageCapture of {self.track!r}>"

    def grab_frame(self) -> VideoFrame:
        """Return the next frame, decoded. It is black if the track is disabled or muted.

        Raises InvalidStateError if the track has ended, NotReadableError if its device fails. The standard's text asks for
        nothing else, although some browsers also raise InvalidStateError for a disabled track.
        """
        self._check_live()
        with FrameReader[VideoFrame](self.track, VIDEO_QUEUE_BYTES) as reader:
            frame = next(reader, None)
        if frame is None:
            raise self.track.ended_error or NotReadableError(f"“{self.track.label}” ended before its first frame")
        return frame

    def take_photo(self, photo_settings: Mapping[str, Any] | None = None, *, type: str = "image/jpeg") -> Blob:  # noqa: A002
        """Return the next complete frame as a file of a MIME type.

        ``photo_settings`` (https://www.w3.org/TR/image-capture/#dictdef-photosettings): for ``imageWidth`` and ``imageHeight``
        the camera changes to the mode with the closest size, and back afterwards; other tracks keep their settings.
        ``fillLightMode`` "flash" lights the camera's torch for the photo, if it has no flash.

        Raises the same errors as ``grab_frame``, TypeError for an unknown ``fillLightMode``, NotSupportedError for what
        ``get_photo_capabilities`` does not list, and NotReadableError if no frame is complete.
        """
        self._check_live()
        wanted = converted(photo_settings)
        self._check_able(wanted)
        row, file = _row(type), io.BytesIO()
        with self._set_for_photo(wanted) as track:
            self._take(track, load_sink(row, file, SinkOptions()))
        return Blob(file.getvalue(), type)

    def _check_able(self, wanted: Mapping[str, Any]) -> None:
        """Raise NotSupportedError for a photo setting that the camera does not have."""
        able = self.get_photo_capabilities()
        for name in _SIDES.keys() & wanted.keys():
            if not able[name]["min"] <= wanted[name] <= able[name]["max"]:
                hint = f"from {able[name]['min']:g} to {able[name]['max']:g} are possible"
                raise NotSupportedError(f"{self.track.source_name} has no {name} of {wanted[name]:g}", hints=[hint])
        light = wanted.get("fillLightMode")
        if light is not None and light not in able["fillLightMode"]:
            raise NotSupportedError(f"{self.track.source_name} has no fillLightMode “{light}”")
        if wanted.get("redEyeReduction") not in (None, *_RED_EYE[able["redEyeReduction"]]):
            raise NotSupportedError(f"redEyeReduction of {self.track.source_name} is {able['redEyeReduction']}")

    @contextmanager
    def _set_for_photo(self, wanted: Mapping[str, Any]) -> Iterator[MediaStreamTrack]:
        """Return a track with the photo settings. Afterwards the camera is as it was."""
        changes = self._changes(wanted)
        if not changes:
            yield self.track
            return
        with self.track.kept_as_it_is():
            twin = self.track.clone()
            try:
                twin.apply_constraints(cast("MediaTrackConstraints", changes))
                yield twin
            finally:
                twin.stop()

    def _changes(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Return the constraints of a track for photo settings, empty if the track is set so already."""
        changes: dict[str, Any] = {}
        sizes = {_SIDES[name]: wanted[name] for name in _SIDES if name in wanted}
        if sizes:
            nearest = _nearest(self.track.native_modes, sizes, self.track.settings)
            if nearest != {side: self.track.settings[side] for side in nearest}:
                changes |= {side: {"exact": size} for side, size in nearest.items()}
        light = wanted.get("fillLightMode")
        if light is not None and FILL_LIGHT in self.track.controls:
            changes[FILL_LIGHT] = {"exact": light}
        elif light == "flash":
            changes["torch"] = {"exact": True}
        if "redEyeReduction" in wanted and RED_EYE in self.track.controls:
            changes[RED_EYE] = {"exact": wanted["redEyeReduction"]}
        return changes

    def save(self, name: str | PathLike[str], *, check: Callable[[str], object] = _ignore) -> str:
        """Write the next complete frame into a file, by its suffix, and return the file's name (beyond the standard).

        ``name`` may contain the time and a number, as for recordings. ``check`` gets the file's name first. Raises the same
        errors as ``take_photo``, NotSupportedError for a suffix without a picture format, and OperationError if the file cannot
        be written.
        """
        name = fspath(name)
        row = sink_row(name, "still")
        file = next_name(name, overwrite=False)
        check(file)
        self._check_live()
        self._take(self.track, load_sink(row, file, SinkOptions()))
        return file

    @staticmethod
    def _take(track: MediaStreamTrack, sink: Sink) -> None:
        """Write the next complete frame. Close the sink, or abort it on failure."""
        sink.open([TrackFormat("video", track.current_settings, track.pixel_format, track.label, track.maker, track.paced)])
        with FrameReader[Media](track, VIDEO_QUEUE_BYTES, encoded=True) as reader:
            Delivery(sink, [track], Window(["video"], frames=1)).write_all(reader)

    def get_photo_capabilities(self) -> dict[str, Any]:
        """Return the options of ``take_photo``: the sizes of the camera's modes, and its light. Raises InvalidStateError.

        https://www.w3.org/TR/image-capture/#dictdef-photocapabilities
        """
        self._check_live()
        modes = self.track.native_modes
        sizes = {name: _range([getattr(mode, side) for mode in modes]) for name, side in _SIDES.items()}
        return {"redEyeReduction": self._red_eye(), "fillLightMode": self._lights(), **sizes}

    def _red_eye(self) -> str:
        """Return a RedEyeReduction: https://www.w3.org/TR/image-capture/#redeyereduction-section."""
        control = self.track.controls.get(RED_EYE)
        values = (False,) if control is None else tuple(control.values)
        return next(word for word, possible in _RED_EYE.items() if possible == values)

    def _lights(self) -> list[str]:
        """Return the possible fillLightModes, in the order of the standard."""
        controls = self.track.controls
        if FILL_LIGHT in controls:
            return [word for word in PROPERTIES[FILL_LIGHT].values if word in tuple(controls[FILL_LIGHT].values)]
        return ["off", "flash"] if "torch" in controls and tuple(controls["torch"].values) == (False, True) else []

    def get_photo_settings(self) -> dict[str, Any]:
        """Return the current settings of ``take_photo``. Raises InvalidStateError."""
        self._check_live()
        settings = self.track.current_settings
        now = self.track.settings
        lights: dict[str, Any] = {"fillLightMode": "flash" if settings["torch"] else "off"} if "torch" in settings else {}
        lights |= {"fillLightMode": now[FILL_LIGHT]} if FILL_LIGHT in now else {}
        sizes = {name: settings[side] for name, side in _SIDES.items()}
        return {"redEyeReduction": now.get(RED_EYE, False), **lights, **sizes}

    def _check_live(self) -> None:
        if self.track.ready_state != "live":
            raise InvalidStateError("the track has ended")


def _nearest(modes: Iterable[Mode], wanted: Mapping[str, float], now: Mapping[str, Any]) -> dict[str, float]:
    """Return the size among the modes that is closest to the wanted sides, then to the shape of the picture now."""

    def far(size: Mapping[str, float]) -> tuple[float, float]:
        ratio = size["width"] * now["height"] / (size["height"] * now["width"])
        return sum(abs(size[side] - wanted[side]) for side in wanted), max(ratio, 1 / ratio)

    sizes = [{side: _within(getattr(mode, side), wanted.get(side, now[side])) for side in _SIDES.values()} for mode in modes]
    return min(sizes, key=far)


def _within(values: float | Span, wanted: float) -> float:
    """Return the value of a mode's side that is closest to the wanted one."""
    return values.nearest(min(max(wanted, values.min), values.max)) if isinstance(values, Span) else values


def _range(sides: Sequence[float | Span]) -> dict[str, float]:
    """Return a MediaSettingsRange that covers the sides of all modes. Its step is 0 if they are not equally far apart."""
    numbers = sorted({number for side in sides for number in ((side.min, side.max) if isinstance(side, Span) else (side,))})
    steps = {side.step for side in sides if isinstance(side, Span)} | {high - low for low, high in pairwise(numbers)}
    return {"min": numbers[0], "max": numbers[-1], "step": steps.pop() if len(steps) == 1 else 0}


def _row(type: str) -> SinkRow:  # noqa: A002
    for row in SINKS.values():
        if row.still and row.mime_type == type:
            return row
    types = sorted({row.mime_type for row in SINKS.values() if row.still})
    raise NotSupportedError(f"cannot write pictures of type “{type}”", hints=[f"use {', '.join(types)}"])
