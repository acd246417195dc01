"""Cameras through OpenCV, for systems without V4L2: https://docs.opencv.org/4.x/d8/dfe/classcv_1_1VideoCapture.html.

OpenCV opens cameras by number and tells little of them. So:

- devices are the numbers from 0 that open, up to the first two in a row that do not; their names are “Camera N”;
- the deviceId stands for the number, and moves with it when cameras are plugged in another order;
- modes are the usual sizes that the driver accepts, each at one rate, and frames are BGR24 whatever the camera gives;
- a frame is stamped when it arrives in the program, and losses before that cannot be known.

On macOS opening a camera may light its LED, even to list it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from threading import Event, Thread
from typing import Any
from weakref import WeakValueDictionary

from mscli.core.boxes import Mode, Scalar
from mscli.core.clock import now_us
from mscli.core.errors import NotReadableError, NotSupportedError
from mscli.core.frames import VideoFrame
from mscli.sources.base import DEVICE_KINDS, VIDEO_INPUT, Abilities, Backend, Device, Receiver, Request, Source
from mscli.sources.identity import stable_id

Camera = int | str  # a number, or the path of a video file, which stands in for a camera

NUMBERS = range(10)
MISSES = 2  # numbers in a row without a camera, after which no more are tried
USUAL_SIZES = (
    (640, 480), (160, 120), (320, 240), (640, 360), (800, 600), (1280, 720), (1280, 960), (1920, 1080), (3840, 2160),
)  # fmt: skip
USUAL_RATE = 30.0  # where OpenCV does not know
GIVE_UP_S = 2.0  # a read that blocks for longer does not keep stop() from returning
_SYSTEMS = {"linux": "CAP_V4L2", "darwin": "CAP_AVFOUNDATION", "win32": "CAP_DSHOW"}


def load_cv2() -> Any:
    """OpenCV, told to keep quiet on stderr. Raises NotSupportedError, which names the packages to install."""
    try:
        import cv2
    except ImportError as error:
        hints = ["on Debian and Ubuntu: apt install libgl1 libglib2.0-0", "elsewhere: pip install opencv-python"]
        raise NotSupportedError(f"OpenCV cannot be loaded: {error}", hints=hints) from error
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2


def open_capture(camera: Camera) -> Any | None:
    """The camera, opened but not streaming; None where it does not open."""
    cv2 = load_cv2()
    system = _SYSTEMS.get(sys.platform, "CAP_ANY") if isinstance(camera, int) else "CAP_ANY"
    capture = cv2.VideoCapture(camera, getattr(cv2, system))
    return capture if capture.isOpened() else None


def set_mode(capture: Any, settings: Mapping[str, Scalar]) -> tuple[int, int, float]:
    """Ask the driver for width, height and, if given, frameRate; the three that it set instead."""
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
    return int(width), int(height), round(rate, 3) if rate > 0 else USUAL_RATE


class OpenCVSource(Source):
    """An opened camera. Its thread reads, and gives the camera back when it ends."""

    def __init__(self, camera: Camera, label: str, capture: Any, settings: Mapping[str, Scalar]) -> None:
        self._camera, self._label, self._capture, self._settings = camera, label, capture, settings
        self._pace_s = 0 if isinstance(camera, int) else 1 / float(settings["frameRate"])  # a file is read as if it were live
        self._cancelled, self._released = Event(), Event()
        self._thread: Thread | None = None

    @property
    def settings(self) -> Mapping[str, Scalar]:
        """Width, height and frame rate as the driver has set them."""
        return self._settings

    @property
    def released(self) -> bool:
        """Whether the camera was given back."""
        return self._released.is_set()

    def start(self, receiver: Receiver) -> None:
        """Begin to read on a thread of its own."""
        self._thread = Thread(target=self._run, args=(receiver,), name=f"mscli-opencv-{self._camera}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; one that is stuck in a read is left to end by itself after ``GIVE_UP_S``."""
        self._cancelled.set()
        if self._thread:
            self._thread.join(GIVE_UP_S)
        else:
            self._release()

    def _run(self, receiver: Receiver) -> None:
        try:
            for frame in self._frames():
                receiver.on_frame(frame)
            if not self._cancelled.is_set():
                receiver.on_ended(
                    NotReadableError(f"“{self._label}” gives no more pictures: it was unplugged, or its driver failed")
                )
        finally:
            self._release()

    def _frames(self) -> Iterator[VideoFrame]:
        """Frames until the camera gives no more or the source is stopped."""
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


class OpenCVBackend(Backend):
    """The cameras that OpenCV opens. ``cameras``: the numbers to try, or paths of video files."""

    name = "opencv"

    def __init__(self, cameras: Sequence[Camera] = NUMBERS) -> None:
        self._cameras = cameras
        self._abilities: dict[Camera, Abilities] = {}
        self._opened: WeakValueDictionary[Camera, OpenCVSource] = WeakValueDictionary()

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        """The cameras that open. Raises NotSupportedError without OpenCV."""
        found = self._found() if VIDEO_INPUT in kinds else ()
        return [self._device(camera, default=i == 0) for i, camera in enumerate(found)]

    def abilities(self, device: Device) -> Abilities:
        """The usual sizes that the driver accepts, tried once. Raises NotReadableError."""
        if device.handle not in self._abilities:
            capture = self._open(device)
            self._abilities[device.handle] = Abilities(_modes(capture))
            capture.release()
        return self._abilities[device.handle]

    def open(self, device: Device, request: Request) -> Source:
        """Take the camera and set the mode. Raises NotReadableError."""
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
            hints = ["close other programs that use the camera", "see “mscli devices” for the cameras that are there"]
            raise NotReadableError(
                f"“{device.label}” does not open: it is in use, gone, or forbidden to this program", hints=hints
            )
        return capture


def _modes(capture: Any) -> tuple[Mode, ...]:
    """What the driver makes of the usual sizes, each once; no stream is started."""
    answers = dict.fromkeys(set_mode(capture, {"width": width, "height": height}) for width, height in USUAL_SIZES)
    return tuple(Mode("BGR24", *answer) for answer in answers)
