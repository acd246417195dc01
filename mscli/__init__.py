"""getUserMedia outside the browser: W3C Media Capture and Streams as a Python library and as commands.

    import mscli
    with mscli.MediaDevices() as devices:
        stream = devices.get_user_media({"video": {"width": 1280}})

Classes have their IDL names, members are in snake_case, and dictionaries are plain dicts with IDL keys, for which there are
``TypedDict`` types. Names are imported on first use, so ``import mscli`` costs nothing.

Frames exchange their memory with NumPy and PyAV: ``frame.to_ndarray("rgb24")``, ``VideoFrame.from_av(picture)``. Devices,
streams, tracks, recorders and readers are context managers. A stream is iterable, and so is a reader, also with ``async for``.

Threads: every object can be used from any thread; a reader only by one at a time. Events fire on one thread of their own, in
order. asyncio: nothing needs a loop; ``get_user_media_async`` and ``async for`` do not block the one that runs. Fork: a forked
process must not use the devices, streams and recorders of its parent, and does not close them; it creates its own.

The base classes for packages that provide a source or a sink are here too: ``Backend``, ``Source`` and ``Sink`` with the types
that they use, and the rows of the registries. See ``.github/CONTRIBUTING.md``.

Packages, each of which only imports those below it

- ``cli``: commands, options, terminal, exit codes
- ``api``: the W3C objects, from constraints to tracks and from tracks to sinks
- ``sources``, ``encode``, ``sinks``: where frames come from, how they become chunks, where they go
- ``media``, ``v4l2``, ``webaudio``: what is done to frames, the kernel's cameras, and the rendering of audio graphs
- ``core``: vocabulary and algorithms

``legacy`` has what the standard has replaced. ``mscli/README.md`` describes on one page how they work together.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mscli.core.version import __version__ as __version__

if TYPE_CHECKING:
    from mscli import legacy as legacy
    from mscli.api.aiortctrack import to_aiortc as to_aiortc
    from mscli.api.audiobuffer import AudioBuffer as AudioBuffer
    from mscli.api.audiocontext import AudioContext as AudioContext
    from mscli.api.audiocontext import AudioSinkInfo as AudioSinkInfo
    from mscli.api.audiocontext import BaseAudioContext as BaseAudioContext
    from mscli.api.audionode import AudioDestinationNode as AudioDestinationNode
    from mscli.api.audionode import AudioNode as AudioNode
    from mscli.api.audionode import AudioScheduledSourceNode as AudioScheduledSourceNode
    from mscli.api.audionodes import AnalyserNode as AnalyserNode
    from mscli.api.audionodes import BiquadFilterNode as BiquadFilterNode
    from mscli.api.audionodes import ChannelMergerNode as ChannelMergerNode
    from mscli.api.audionodes import ChannelSplitterNode as ChannelSplitterNode
    from mscli.api.audionodes import DelayNode as DelayNode
    from mscli.api.audionodes import DynamicsCompressorNode as DynamicsCompressorNode
    from mscli.api.audionodes import GainNode as GainNode
    from mscli.api.audionodes import StereoPannerNode as StereoPannerNode
    from mscli.api.audioparam import AudioParam as AudioParam
    from mscli.api.audiosources import AudioBufferSourceNode as AudioBufferSourceNode
    from mscli.api.audiosources import ConstantSourceNode as ConstantSourceNode
    from mscli.api.audiosources import OscillatorNode as OscillatorNode
    from mscli.api.audiosources import PeriodicWave as PeriodicWave
    from mscli.api.audiostreams import MediaStreamAudioDestinationNode as MediaStreamAudioDestinationNode
    from mscli.api.audiostreams import MediaStreamAudioSourceNode as MediaStreamAudioSourceNode
    from mscli.api.audiostreams import MediaStreamTrackAudioSourceNode as MediaStreamTrackAudioSourceNode
    from mscli.api.blob import Blob as Blob
    from mscli.api.canvas import Canvas as Canvas
    from mscli.api.canvas import CanvasCaptureMediaStreamTrack as CanvasCaptureMediaStreamTrack
    from mscli.api.commands import RecorderRun as RecorderRun
    from mscli.api.devicechangeevent import DeviceChangeEvent as DeviceChangeEvent
    from mscli.api.dictionaries import AudioOutputOptions as AudioOutputOptions
    from mscli.api.dictionaries import AudioSelectionPreferenceEnum as AudioSelectionPreferenceEnum
    from mscli.api.dictionaries import BitrateMode as BitrateMode
    from mscli.api.dictionaries import BlobEventInit as BlobEventInit
    from mscli.api.dictionaries import CaptureStartFocusBehavior as CaptureStartFocusBehavior
    from mscli.api.dictionaries import ConstrainBooleanOrDOMStringParameters as ConstrainBooleanOrDOMStringParameters
    from mscli.api.dictionaries import ConstrainBooleanParameters as ConstrainBooleanParameters
    from mscli.api.dictionaries import ConstrainDOMStringParameters as ConstrainDOMStringParameters
    from mscli.api.dictionaries import ConstrainDoubleRange as ConstrainDoubleRange
    from mscli.api.dictionaries import ConstrainPoint2DParameters as ConstrainPoint2DParameters
    from mscli.api.dictionaries import ConstrainULongRange as ConstrainULongRange
    from mscli.api.dictionaries import CursorCaptureConstraint as CursorCaptureConstraint
    from mscli.api.dictionaries import DeviceChangeEventInit as DeviceChangeEventInit
    from mscli.api.dictionaries import DisplayCaptureSurfaceType as DisplayCaptureSurfaceType
    from mscli.api.dictionaries import DisplayMediaStreamOptions as DisplayMediaStreamOptions
    from mscli.api.dictionaries import DoubleRange as DoubleRange
    from mscli.api.dictionaries import EchoCancellationModeEnum as EchoCancellationModeEnum
    from mscli.api.dictionaries import FillLightMode as FillLightMode
    from mscli.api.dictionaries import MediaDeviceKind as MediaDeviceKind
    from mscli.api.dictionaries import MediaEffectInfo as MediaEffectInfo
    from mscli.api.dictionaries import MediaRecorderOptions as MediaRecorderOptions
    from mscli.api.dictionaries import MediaSettingsRange as MediaSettingsRange
    from mscli.api.dictionaries import MediaStreamConstraints as MediaStreamConstraints
    from mscli.api.dictionaries import MediaStreamTrackEventInit as MediaStreamTrackEventInit
    from mscli.api.dictionaries import MediaStreamTrackProcessorInit as MediaStreamTrackProcessorInit
    from mscli.api.dictionaries import MediaStreamTrackState as MediaStreamTrackState
    from mscli.api.dictionaries import MediaTrackCapabilities as MediaTrackCapabilities
    from mscli.api.dictionaries import MediaTrackConstraintSet as MediaTrackConstraintSet
    from mscli.api.dictionaries import MediaTrackConstraints as MediaTrackConstraints
    from mscli.api.dictionaries import MediaTrackSettings as MediaTrackSettings
    from mscli.api.dictionaries import MeteringMode as MeteringMode
    from mscli.api.dictionaries import MonitorTypeSurfacesEnum as MonitorTypeSurfacesEnum
    from mscli.api.dictionaries import PhotoCapabilities as PhotoCapabilities
    from mscli.api.dictionaries import PhotoSettings as PhotoSettings
    from mscli.api.dictionaries import Point2D as Point2D
    from mscli.api.dictionaries import RecordingState as RecordingState
    from mscli.api.dictionaries import RedEyeReduction as RedEyeReduction
    from mscli.api.dictionaries import Segment as Segment
    from mscli.api.dictionaries import SegmentType as SegmentType
    from mscli.api.dictionaries import SelfCapturePreferenceEnum as SelfCapturePreferenceEnum
    from mscli.api.dictionaries import SurfaceSwitchingPreferenceEnum as SurfaceSwitchingPreferenceEnum
    from mscli.api.dictionaries import SystemAudioPreferenceEnum as SystemAudioPreferenceEnum
    from mscli.api.dictionaries import ULongRange as ULongRange
    from mscli.api.dictionaries import VideoFacingModeEnum as VideoFacingModeEnum
    from mscli.api.dictionaries import VideoFrameMetadata as VideoFrameMetadata
    from mscli.api.dictionaries import VideoResizeModeEnum as VideoResizeModeEnum
    from mscli.api.dictionaries import WindowAudioPreferenceEnum as WindowAudioPreferenceEnum
    from mscli.api.getdisplaymedia import CaptureController as CaptureController
    from mscli.api.imagecapture import ImageCapture as ImageCapture
    from mscli.api.mediadeviceinfo import DisplayInfo as DisplayInfo
    from mscli.api.mediadeviceinfo import InputDeviceInfo as InputDeviceInfo
    from mscli.api.mediadeviceinfo import MediaDeviceInfo as MediaDeviceInfo
    from mscli.api.mediadevices import MediaDevices as MediaDevices
    from mscli.api.mediaelement import MediaElement as MediaElement
    from mscli.api.mediaelement import MediaError as MediaError
    from mscli.api.timeranges import TimeRanges as TimeRanges
    from mscli.api.mediarecorder import BlobEvent as BlobEvent
    from mscli.api.mediarecorder import ErrorEvent as ErrorEvent
    from mscli.api.mediarecorder import MediaRecorder as MediaRecorder
    from mscli.api.mediastream import MediaStream as MediaStream
    from mscli.api.mediastreamtrack import MediaStreamTrack as MediaStreamTrack
    from mscli.api.mediastreamtrack import MediaStreamTrackAudioStats as MediaStreamTrackAudioStats
    from mscli.api.mediastreamtrack import MediaStreamTrackEvent as MediaStreamTrackEvent
    from mscli.api.mediastreamtrack import MediaStreamTrackVideoStats as MediaStreamTrackVideoStats
    from mscli.api.mediastreamtrack import OverconstrainedErrorEvent as OverconstrainedErrorEvent
    from mscli.api.mediastreamtrackprocessor import FrameReader as FrameReader
    from mscli.api.mediastreamtrackprocessor import MediaStreamTrackProcessor as MediaStreamTrackProcessor
    from mscli.api.mixing import mix_tracks as mix_tracks
    from mscli.api.ring import RingReader as RingReader
    from mscli.api.ring import RingFrame as RingFrame
    from mscli.api.ring import open_ring as open_ring
    from mscli.api.offlineaudiocontext import OfflineAudioCompletionEvent as OfflineAudioCompletionEvent
    from mscli.api.offlineaudiocontext import OfflineAudioContext as OfflineAudioContext
    from mscli.api.trackfrom import track_from as track_from
    from mscli.api.trackgenerator import AudioTrackGenerator as AudioTrackGenerator
    from mscli.api.trackgenerator import FrameWriter as FrameWriter
    from mscli.api.trackgenerator import MediaStreamTrackGenerator as MediaStreamTrackGenerator
    from mscli.api.trackgenerator import VideoTrackGenerator as VideoTrackGenerator
    from mscli.api.url import URL as URL
    from mscli.api.wanted import Wanted as Wanted
    from mscli.core.boxes import Box as Box
    from mscli.core.boxes import Mode as Mode
    from mscli.core.boxes import Rank as Rank
    from mscli.core.boxes import Scalar as Scalar
    from mscli.core.boxes import Span as Span
    from mscli.core.boxes import Unusable as Unusable
    from mscli.core.boxes import Values as Values
    from mscli.core.clock import Clock as Clock
    from mscli.core.codecs import AudioCodec as AudioCodec
    from mscli.core.constraints import Rule as Rule
    from mscli.core.controls import Control as Control
    from mscli.core.errors import AbortError as AbortError
    from mscli.core.errors import DOMException as DOMException
    from mscli.core.errors import IndexSizeError as IndexSizeError
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
    from mscli.core.events import EventTarget as EventTarget
    from mscli.core.events import Listener as Listener
    from mscli.core.frames import AudioData as AudioData
    from mscli.core.frames import Chunk as Chunk
    from mscli.core.frames import EncodedAudioChunk as EncodedAudioChunk
    from mscli.core.frames import EncodedVideoChunk as EncodedVideoChunk
    from mscli.core.frames import Frame as Frame
    from mscli.core.frames import Media as Media
    from mscli.core.frames import Rect as Rect
    from mscli.core.frames import VideoColorSpace as VideoColorSpace
    from mscli.core.frames import VideoFrame as VideoFrame
    from mscli.core.level import Quiet as Quiet
    from mscli.core.orientation import Caption as Caption
    from mscli.core.orientation import Orientation as Orientation
    from mscli.core.orientation import PictureFilters as PictureFilters
    from mscli.core.selection import Settings as Settings
    from mscli.encode.chunks import PacketStream as PacketStream
    from mscli.encode.chunks import Piece as Piece
    from mscli.encode.chunks import SoundShape as SoundShape
    from mscli.encode.chunks import SoundStream as SoundStream
    from mscli.encode.codecs import Container as Container
    from mscli.encode.codecs import Overhead as Overhead
    from mscli.encode.encoding import EncodedTrack as EncodedTrack
    from mscli.encode.encoding import PacketSink as PacketSink
    from mscli.encode.options import LinkOptions as LinkOptions
    from mscli.encode.options import Series as Series
    from mscli.encode.options import SinkOptions as SinkOptions
    from mscli.encode.options import TrackFormat as TrackFormat
    from mscli.media.chunkfilter import Faults as Faults
    from mscli.sinks import SinkRow as SinkRow
    from mscli.sinks import Target as Target
    from mscli.sinks.base import Sink as Sink
    from mscli.sinks.base import TrackFacts as TrackFacts
    from mscli.sinks.files.output import Output as Output
    from mscli.sinks.files.output import OutputSink as OutputSink
    from mscli.sources import SourceRow as SourceRow
    from mscli.sources.base import Abilities as Abilities
    from mscli.sources.base import Backend as Backend
    from mscli.sources.base import Device as Device
    from mscli.sources.base import InputOptions as InputOptions
    from mscli.sources.base import Receiver as Receiver
    from mscli.sources.base import Request as Request
    from mscli.sources.base import SoundSupply as SoundSupply
    from mscli.sources.base import Source as Source
    from mscli.sources.base import Speaker as Speaker
    from mscli.sources.base import Surface as Surface
    from mscli.sources.base import ThreadedSource as ThreadedSource
    from mscli.sources.base import Watching as Watching
    from mscli.sources.fake.backend import FakeBackend as FakeBackend
    from mscli.sources.fake.description import FakeDevice as FakeDevice
    from mscli.sources.fake.description import FakeFaults as FakeFaults
    from mscli.sources.track import Consumer as Consumer
    from mscli.sources.track import SettingsChange as SettingsChange
    from mscli.sources.track import TrackSource as TrackSource

_ERRORS = (
    "AbortError DOMException IndexSizeError InvalidAccessError InvalidModificationError InvalidStateError NotAllowedError "
    "NotFoundError NotReadableError NotSupportedError OperationError OverconstrainedError SecurityError"
)

_DICTIONARIES = (
    "AudioOutputOptions AudioSelectionPreferenceEnum BitrateMode BlobEventInit CaptureStartFocusBehavior "
    "ConstrainBooleanOrDOMStringParameters "
    "ConstrainBooleanParameters ConstrainDOMStringParameters ConstrainDoubleRange ConstrainPoint2DParameters "
    "ConstrainULongRange CursorCaptureConstraint DeviceChangeEventInit DisplayCaptureSurfaceType DisplayMediaStreamOptions "
    "DoubleRange EchoCancellationModeEnum FillLightMode MediaDeviceKind MediaEffectInfo MediaRecorderOptions "
    "MediaSettingsRange MediaStreamConstraints MediaStreamTrackEventInit MediaStreamTrackProcessorInit "
    "MediaStreamTrackState MediaTrackCapabilities MediaTrackConstraintSet MediaTrackConstraints MediaTrackSettings "
    "MeteringMode MonitorTypeSurfacesEnum PhotoCapabilities PhotoSettings Point2D RecordingState RedEyeReduction Segment "
    "SegmentType SelfCapturePreferenceEnum SurfaceSwitchingPreferenceEnum SystemAudioPreferenceEnum ULongRange "
    "VideoFacingModeEnum VideoFrameMetadata VideoResizeModeEnum WindowAudioPreferenceEnum"
)

_HOMES = {  # module → its public names
    "mscli.api.aiortctrack": "to_aiortc",
    "mscli.api.audiobuffer": "AudioBuffer",
    "mscli.api.audiocontext": "AudioContext AudioSinkInfo BaseAudioContext",
    "mscli.api.audionode": "AudioDestinationNode AudioNode AudioScheduledSourceNode",
    "mscli.api.audionodes": (
        "AnalyserNode BiquadFilterNode ChannelMergerNode ChannelSplitterNode DelayNode "
        "DynamicsCompressorNode GainNode StereoPannerNode"
    ),
    "mscli.api.audioparam": "AudioParam",
    "mscli.api.audiosources": "AudioBufferSourceNode ConstantSourceNode OscillatorNode PeriodicWave",
    "mscli.api.audiostreams": ("MediaStreamAudioDestinationNode MediaStreamAudioSourceNode MediaStreamTrackAudioSourceNode"),
    "mscli.api.blob": "Blob",
    "mscli.api.canvas": "Canvas CanvasCaptureMediaStreamTrack",
    "mscli.api.commands": "RecorderRun",
    "mscli.api.devicechangeevent": "DeviceChangeEvent",
    "mscli.api.dictionaries": _DICTIONARIES,
    "mscli.api.getdisplaymedia": "CaptureController",
    "mscli.api.imagecapture": "ImageCapture",
    "mscli.api.mediadeviceinfo": "DisplayInfo InputDeviceInfo MediaDeviceInfo",
    "mscli.api.mediadevices": "MediaDevices",
    "mscli.api.mediaelement": "MediaElement MediaError",
    "mscli.api.timeranges": "TimeRanges",
    "mscli.api.mediarecorder": "BlobEvent ErrorEvent MediaRecorder",
    "mscli.api.mediastream": "MediaStream",
    "mscli.api.mediastreamtrack": (
        "MediaStreamTrack MediaStreamTrackAudioStats MediaStreamTrackEvent MediaStreamTrackVideoStats OverconstrainedErrorEvent"
    ),
    "mscli.api.mediastreamtrackprocessor": "FrameReader MediaStreamTrackProcessor",
    "mscli.api.mixing": "mix_tracks",
    "mscli.api.ring": "RingFrame RingReader open_ring",
    "mscli.api.offlineaudiocontext": "OfflineAudioCompletionEvent OfflineAudioContext",
    "mscli.api.trackfrom": "track_from",
    "mscli.api.trackgenerator": "AudioTrackGenerator FrameWriter MediaStreamTrackGenerator VideoTrackGenerator",
    "mscli.api.url": "URL",
    "mscli.api.wanted": "Wanted",
    "mscli.core.boxes": "Box Mode Rank Scalar Span Unusable Values",
    "mscli.core.clock": "Clock",
    "mscli.core.codecs": "AudioCodec",
    "mscli.core.constraints": "Rule",
    "mscli.core.controls": "Control",
    "mscli.core.errors": _ERRORS,
    "mscli.core.events": "Event EventTarget Listener",
    "mscli.core.frames": "AudioData Chunk EncodedAudioChunk EncodedVideoChunk Frame Media Rect VideoColorSpace VideoFrame",
    "mscli.core.level": "Quiet",
    "mscli.core.orientation": "Caption Orientation PictureFilters",
    "mscli.core.selection": "Settings",
    "mscli.encode.chunks": "PacketStream Piece SoundShape SoundStream",
    "mscli.encode.codecs": "Container Overhead",
    "mscli.encode.encoding": "EncodedTrack PacketSink",
    "mscli.encode.options": "LinkOptions Series SinkOptions TrackFormat",
    "mscli.media.chunkfilter": "Faults",
    "mscli.sinks": "SinkRow Target",
    "mscli.sinks.base": "Sink TrackFacts",
    "mscli.sinks.files.output": "Output OutputSink",
    "mscli.sources": "SourceRow",
    "mscli.sources.base": (
        "Abilities Backend Device InputOptions Receiver Request SoundSupply Source Speaker Surface ThreadedSource Watching"
    ),
    "mscli.sources.fake.backend": "FakeBackend",
    "mscli.sources.fake.description": "FakeDevice FakeFaults",
    "mscli.sources.track": "Consumer SettingsChange TrackSource",
}
_NAMES = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = ["__version__", "legacy", *_NAMES]


def __getattr__(name: str) -> Any:
    if name == "legacy":  # a module
        return import_module("mscli.legacy")
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_NAMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
