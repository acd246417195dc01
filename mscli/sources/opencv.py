"""Cameras through OpenCV, on systems without V4L2: https://docs.opencv.org/4.x/d8/dfe/classcv_1_1VideoCapture.html.

OpenCV opens cameras by number and knows little about them. Therefore:

- devices are the numbers from 0 that open, until two in a row do not; they are named “Camera N”;
- the deviceId is derived from the number, and changes if cameras are plugged in in another order;
- modes are the common sizes that the driver accepts, each at one rate, and frames are always BGR24;
- a frame's timestamp is its arrival in the program, and earlier losses cannot be detected.

On macOS, opening a camera may light its LED, even for listing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from threading import Event
from typing import Any
from weakref import WeakValueDictionary

from mscli.core.boxes import Mode, Scalar
from mscli.core.clock import now_us
from mscli.core.errors import NotReadableError, NotSupportedError
from mscli.core.frames import VideoFrame
from mscli.core.limits import SOURCE_STOP_S
from mscli.core.log import Log
from mscli.core.threads import Thread
from mscli.sources.base import DEVICE_KINDS, VIDEO_INPUT, Abilities, Backend, Device, Receiver, Request, Source
from mscli.sources.identity import stable_id

_log = Log("opencv")

Camera = int | str  # a number, or the path of a video file that replaces a camera

NUMBERS = range(10)
MISSES = 2  # consecutive numbers without a camera after which to stop
USUAL_SIZES = (
    (640, 480), (160, 120), (320, 240), (640, 360), (800, 600), (1280, 720), (1280, 960), (1920, 1080), (3840, 2160),
)  # fmt: skip
USUAL_RATE = 30.0  # if OpenCV does not know
_SYSTEMS = {"linux": "CAP_V4L2", "darwin": "CAP_AVFOUNDATION", "win32": "CAP_DSHOW"}


def load_cv2() -> Any:
    """Import OpenCV and silence its log. Raises NotSupportedError, which names the packages to install."""
    try:
        import cv2
    except ImportError as error:
        hints = ["on Debian and Ubuntu: apt install libgl1 libglib2.0-0", "elsewhere: pip install opencv-python"]
        raise NotSupportedError(f"OpenCV cannot be loaded: {error}", hints=hints) from error
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2


def open_capture(camera: Camera) -> Any | None:
    """Return the camera, open but not streaming, or None if it does not open."""
    cv2 = load_cv2()
    system = _SYSTEMS.get(sys.platform, "CAP_ANY") if isinstance(camera, int) else "CAP_ANY"
    capture = cv2.VideoCapture(camera, getattr(cv2, system))
    _log.debug("open %s: %s", camera, "opened" if capture.isOpened() else "does not open")
    return capture if capture.isOpened() else None


def set_mode(capture: Any, settings: Mapping[str, Scalar]) -> tuple[int, int, float]:
    """Set width, height and, if given, frameRate. Return the values that the driver chose."""
    cv2 = load_cv2()
    numbers = {
        "width": cv2.CAP_PROP_FRAME_WIDTH,
        "height": cv2.CAP_PROP_FRAME_HEIGHT,
        "frameRate": cv2.CAP_PROP_FPS,
    }
    for name, number in numbers.items():
        if name in settings:
            capture.set(number, float(settings[name]))
    width, height, rate = (capture.get(number) for number in numbers.values())
    _log.debug("set %s: got %g×%g at %g fps", dict(settings), width, height, rate)
    return int(width), int(height), round(rate, 3) if rate > 0 else USUAL_RATE


class OpenCVSource(Source):
    """An open camera. Its thread reads frames, and releases the camera at the end."""

    def __init__(self, camera: Camera, label: str, capture: Any, settings: Mapping[str, Scalar]) -> None:
        self._camera, self._label, self._capture, self._settings = camera, label, capture, settings
        self._pace_s = 0 if isinstance(camera, int) else 1 / float(settings["frameRate"])  # a file is read as if it were live
        self._cancelled, self._released = Event(), Event()
        self._thread: Thread | None = None

    @property
    def settings(self) -> Mapping[str, Scalar]:
        """Return the driver's width, height and frame rate."""
        return self._settings

    @property
    def released(self) -> bool:
        """Return whether the camera was released."""
        return self._released.is_set()

    def start(self, receiver: Receiver) -> None:
        """Start reading on a separate thread."""
        self._thread = Thread(target=self._run, args=(receiver,), name=f"mscli-opencv-{self._camera}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread. If it is stuck in a read, abandon it after ``SOURCE_STOP_S``."""
        self._cancelled.set()
        if self._thread:
            self._thread.join_or_abandon(SOURCE_STOP_S)
        else:
            self._release()

    def _run(self, receiver: Receiver) -> None:
        try:
            for frame in self._frames():
                receiver.on_frame(frame)
            if not self._cancelled.is_set():
                _log.warning("“%s”: delivers no more frames", self._label)
                receiver.on_ended(NotReadableError(f"“{self._label}” was unplugged, or its driver failed"))
        finally:
            self._release()

    def _frames(self) -> Iterator[VideoFrame]:
        """Yield frames until the camera delivers no more or the source is stopped."""
        for number in count():
            if self._cancelled.wait(self._pace_s):
                return
            there, picture = self._capture.read()
            at_us = now_us()
            if not there or self._cancelled.is_set():
                return
            height, width, _ = picture.shape
            data = memoryview(picture).cast("B").toreadonly()
            yield VideoFrame("BGR24", width, height, at_us, (data,), (3 * width,), sequence=number)

    def _release(self) -> None:
        self._capture.release()
        self._released.set()
        _log.debug("“%s”: released", self._label)


class OpenCVBackend(Backend):
    """The cameras that OpenCV can open. ``cameras``: the numbers to try, or paths of video files."""

    name = "opencv"

    def __init__(self, cameras: Sequence[Camera] = NUMBERS) -> None:
        self._cameras = cameras
        self._abilities: dict[Camera, Abilities] = {}
        self._opened: WeakValueDictionary[Camera, OpenCVSource] = WeakValueDictionary()

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        """Return the cameras that open. Raises NotSupportedError without OpenCV."""
        found = self._found() if VIDEO_INPUT in kinds else ()
        return [self._device(camera, default=i == 0) for i, camera in enumerate(found)]

    def abilities(self, device: Device) -> Abilities:
        """Return the common sizes that the driver accepts, which are tried once. Raises NotReadableError."""
        if device.handle not in self._abilities:
            capture = self._open(device)
            self._abilities[device.handle] = Abilities(_modes(capture), settles=True)
            capture.release()
        return self._abilities[device.handle]

    def open(self, device: Device, request: Request) -> Source:
        """Open the camera and set the mode. Raises NotReadableError."""
        capture = self._open(device)
        settings = dict(zip(("width", "height", "frameRate"), set_mode(capture, request.settings), strict=True))
        source = OpenCVSource(device.handle, device.label, capture, settings)
        self._opened[device.handle] = source
        return source

    def _found(self) -> Iterator[Camera]:
        missed = 0
        for camera in self._cameras:
            missed = 0 if self._answers(camera) else missed + 1
            if missed == MISSES:
                return
            if not missed:
                yield camera

    def _answers(self, camera: Camera) -> bool:
        if self._in_use(camera):
            return True
        capture = open_capture(camera)
        if capture:
            capture.release()
        return capture is not None

    def _in_use(self, camera: Camera) -> bool:
        source = self._opened.get(camera)
        return source is not None and not source.released

    def _device(self, camera: Camera, default: bool) -> Device:
        label = f"Camera {camera}" if isinstance(camera, int) else os.path.basename(camera)
        hashed = (stable_id(self.name, str(camera)), stable_id("group", self.name, str(camera)))
        return Device(hashed[0], VIDEO_INPUT, label, hashed[1], self.name, default, handle=camera)

    def _open(self, device: Device) -> Any:
        capture = None if self._in_use(device.handle) else open_capture(device.handle)
        if capture is None:
            hints = ["close other programs that use the camera", "“mscli devices” lists the cameras"]
            raise NotReadableError(f"cannot open “{device.label}”: it is in use, unplugged or not permitted", hints=hints)
        return capture


def _modes(capture: Any) -> tuple[Mode, ...]:
    """Return the driver's modes for the common sizes, without duplicates. No stream is started."""
    answers = dict.fromkeys(set_mode(capture, {"width": width, "height": height}) for width, height in USUAL_SIZES)
    return tuple(Mode("BGR24", *answer) for answer in answers)
