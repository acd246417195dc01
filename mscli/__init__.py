"""getUserMedia outside the browser: W3C Media Capture and Streams as a Python library and as commands.

    import mscli
    with mscli.MediaDevices() as devices:
        stream = devices.get_user_media({"video": {"width": 1280}})

Classes have their IDL names, members are snake_case, dictionaries are plain dicts with IDL keys. Names are imported when
first used, so that ``import mscli`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mscli.api.blobevent import BlobEvent as BlobEvent
    from mscli.api.errorevent import ErrorEvent as ErrorEvent
    from mscli.api.devicechangeevent import DeviceChangeEvent as DeviceChangeEvent
    from mscli.api.imagecapture import ImageCapture as ImageCapture
    from mscli.api.mediadeviceinfo import InputDeviceInfo as InputDeviceInfo
    from mscli.api.mediadeviceinfo import MediaDeviceInfo as MediaDeviceInfo
    from mscli.api.mediadevices import MediaDevices as MediaDevices
    from mscli.api.mediarecorder import MediaRecorder as MediaRecorder
    from mscli.api.mediastream import MediaStream as MediaStream
    from mscli.api.mediastreamtrack import MediaStreamTrack as MediaStreamTrack
    from mscli.api.mediastreamtrack import MediaStreamTrackEvent as MediaStreamTrackEvent
    from mscli.api.mediastreamtrackprocessor import MediaStreamTrackProcessor as MediaStreamTrackProcessor
    from mscli.core.errors import AbortError as AbortError
    from mscli.core.errors import DOMException as DOMException
    from mscli.core.errors import InvalidAccessError as InvalidAccessError
    from mscli.core.errors import InvalidModificationError as InvalidModificationError
    from mscli.core.errors import InvalidStateError as InvalidStateError
    from mscli.core.errors import NotAllowedError as NotAllowedError
    from mscli.core.errors import NotFoundError as NotFoundError
    from mscli.core.errors import NotReadableError as NotReadableError
    from mscli.core.errors import NotSupportedError as NotSupportedError
    from mscli.core.errors import OperationError as OperationError
    from mscli.core.errors import OverconstrainedError as OverconstrainedError
    from mscli.core.errors import SecurityError as SecurityError
    from mscli.core.events import Event as Event
    from mscli.core.frames import AudioData as AudioData
    from mscli.core.frames import VideoFrame as VideoFrame
    from mscli.sources.fake import FakeBackend as FakeBackend

_ERRORS = (
    "AbortError DOMException InvalidAccessError InvalidModificationError InvalidStateError NotAllowedError NotFoundError "
    "NotReadableError NotSupportedError OperationError OverconstrainedError SecurityError"
)

_HOMES = {  # module → the public names that live there
    "mscli.api.blobevent": "BlobEvent",
    "mscli.api.errorevent": "ErrorEvent",
    "mscli.api.devicechangeevent": "DeviceChangeEvent",
    "mscli.api.imagecapture": "ImageCapture",
    "mscli.api.mediadeviceinfo": "InputDeviceInfo MediaDeviceInfo",
    "mscli.api.mediadevices": "MediaDevices",
    "mscli.api.mediarecorder": "MediaRecorder",
    "mscli.api.mediastream": "MediaStream",
    "mscli.api.mediastreamtrack": "MediaStreamTrack MediaStreamTrackEvent",
    "mscli.api.mediastreamtrackprocessor": "MediaStreamTrackProcessor",
    "mscli.core.errors": _ERRORS,
    "mscli.core.events": "Event",
    "mscli.core.frames": "AudioData VideoFrame",
    "mscli.sources.fake": "FakeBackend",
}
_NAMES = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = ["__version__", *_NAMES]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_NAMES[name]), name)
    return value
