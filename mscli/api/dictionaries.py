"""The dictionaries of the standard for type checkers, with IDL keys. Whoever makes them at run time passes plain dicts.

https://www.w3.org/TR/mediacapture-streams/#dictionary-mediastreamconstraints-members and the texts that extend it. A driver's
own controls (``v4l2:NAME``) are not in them: annotate such a dictionary as ``Any``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict

if TYPE_CHECKING:
    from mscli.api.blob import Blob
    from mscli.api.getdisplaymedia import CaptureController
    from mscli.api.mediadeviceinfo import MediaDeviceInfo
    from mscli.api.mediastreamtrack import MediaStreamTrack


# Words


MediaStreamTrackState = Literal["live", "ended"]
MediaDeviceKind = Literal["audioinput", "audiooutput", "videoinput"]
VideoFacingModeEnum = Literal["user", "environment", "left", "right"]
VideoResizeModeEnum = Literal["none", "crop-and-scale"]
EchoCancellationModeEnum = Literal["all", "remote-only"]
MeteringMode = Literal["none", "manual", "single-shot", "continuous"]
RedEyeReduction = Literal["never", "always", "controllable"]
FillLightMode = Literal["auto", "off", "flash"]
DisplayCaptureSurfaceType = Literal["monitor", "window", "browser"]
CursorCaptureConstraint = Literal["never", "always", "motion"]
CaptureStartFocusBehavior = Literal["focus-capturing-application", "focus-captured-surface", "no-focus-change"]
SelfCapturePreferenceEnum = Literal["include", "exclude"]
SystemAudioPreferenceEnum = Literal["include", "exclude"]
WindowAudioPreferenceEnum = Literal["system", "window", "exclude"]
SurfaceSwitchingPreferenceEnum = Literal["include", "exclude"]
MonitorTypeSurfacesEnum = Literal["include", "exclude"]
AudioSelectionPreferenceEnum = Literal["preferred"]
BitrateMode = Literal["constant", "variable"]
RecordingState = Literal["inactive", "recording", "paused"]
SegmentType = Literal["human-face", "left-eye", "right-eye", "eye", "mouth"]


# Constraints


class ConstrainULongRange(TypedDict, total=False):
    """A constraint on a whole number. https://www.w3.org/TR/mediacapture-streams/#dom-constrainulongrange."""

    min: int
    max: int
    exact: int
    ideal: int


class ConstrainDoubleRange(TypedDict, total=False):
    """A constraint on a number. https://www.w3.org/TR/mediacapture-streams/#dom-constraindoublerange."""

    min: float
    max: float
    exact: float
    ideal: float


class ConstrainBooleanParameters(TypedDict, total=False):
    """A constraint on a switch. https://www.w3.org/TR/mediacapture-streams/#dom-constrainbooleanparameters."""

    exact: bool
    ideal: bool


class ConstrainDOMStringParameters(TypedDict, total=False):
    """A constraint on a word. https://www.w3.org/TR/mediacapture-streams/#dom-constraindomstringparameters."""

    exact: str | Sequence[str]
    ideal: str | Sequence[str]


class ConstrainBooleanOrDOMStringParameters(TypedDict, total=False):
    """A constraint on a switch with words.

    https://www.w3.org/TR/mediacapture-streams/#dom-constrainbooleanordomstringparameters
    """

    exact: bool | str
    ideal: bool | str


class Point2D(TypedDict, total=False):
    """A point in the picture, from 0 to 1. https://www.w3.org/TR/image-capture/#dictdef-point2d."""

    x: float
    y: float


class ConstrainPoint2DParameters(TypedDict, total=False):
    """A constraint on points. https://www.w3.org/TR/image-capture/#dictdef-constrainpoint2dparameters."""

    exact: Sequence[Point2D]
    ideal: Sequence[Point2D]


ConstrainULong = int | ConstrainULongRange
ConstrainDouble = float | ConstrainDoubleRange
ConstrainBoolean = bool | ConstrainBooleanParameters
ConstrainDOMString = str | Sequence[str] | ConstrainDOMStringParameters
ConstrainBooleanOrDOMString = bool | str | ConstrainBooleanOrDOMStringParameters
ConstrainBooleanOrDouble = bool | float | ConstrainDoubleRange
ConstrainPoint2D = Sequence[Point2D] | ConstrainPoint2DParameters


class MediaTrackConstraintSet(TypedDict, total=False):
    """The constraints of a track. https://www.w3.org/TR/mediacapture-streams/#dom-mediatrackconstraintset."""

    deviceId: ConstrainDOMString
    groupId: ConstrainDOMString
    width: ConstrainULong
    height: ConstrainULong
    aspectRatio: ConstrainDouble
    frameRate: ConstrainDouble
    facingMode: ConstrainDOMString
    resizeMode: ConstrainDOMString
    backgroundBlur: ConstrainBoolean
    sampleRate: ConstrainULong
    sampleSize: ConstrainULong
    channelCount: ConstrainULong
    latency: ConstrainDouble
    echoCancellation: ConstrainBooleanOrDOMString
    autoGainControl: ConstrainBoolean
    noiseSuppression: ConstrainBoolean
    exposureMode: ConstrainDOMString
    exposureTime: ConstrainDouble
    exposureCompensation: ConstrainDouble
    whiteBalanceMode: ConstrainDOMString
    colorTemperature: ConstrainDouble
    pointsOfInterest: ConstrainPoint2D
    focusMode: ConstrainDOMString
    focusDistance: ConstrainDouble
    iso: ConstrainDouble
    brightness: ConstrainDouble
    contrast: ConstrainDouble
    saturation: ConstrainDouble
    sharpness: ConstrainDouble
    pan: ConstrainBooleanOrDouble
    tilt: ConstrainBooleanOrDouble
    zoom: ConstrainBooleanOrDouble
    torch: ConstrainBoolean
    displaySurface: ConstrainDOMString
    logicalSurface: ConstrainBoolean
    cursor: ConstrainDOMString
    restrictOwnAudio: ConstrainBoolean
    suppressLocalAudioPlayback: ConstrainBoolean


class MediaTrackConstraints(MediaTrackConstraintSet, total=False):
    """The constraints of a track, and further sets to try in order.

    https://www.w3.org/TR/mediacapture-streams/#dom-mediatrackconstraints
    """

    advanced: Sequence[MediaTrackConstraintSet]


class MediaStreamConstraints(TypedDict, total=False):
    """The argument of ``get_user_media``. https://www.w3.org/TR/mediacapture-streams/#mediastreamconstraints."""

    audio: bool | MediaTrackConstraints
    video: bool | MediaTrackConstraints


class DisplayMediaStreamOptions(TypedDict, total=False):
    """The argument of ``get_display_media``. https://www.w3.org/TR/screen-capture/#dom-displaymediastreamoptions."""

    video: bool | MediaTrackConstraints
    audio: bool | MediaTrackConstraints
    controller: CaptureController
    selfBrowserSurface: SelfCapturePreferenceEnum
    systemAudio: SystemAudioPreferenceEnum
    windowAudio: WindowAudioPreferenceEnum
    surfaceSwitching: SurfaceSwitchingPreferenceEnum
    monitorTypeSurfaces: MonitorTypeSurfacesEnum
    audioSelection: AudioSelectionPreferenceEnum


class AudioOutputOptions(TypedDict, total=False):
    """The argument of ``select_audio_output``.

    https://w3c.github.io/mediacapture-output/#audiooutputoptions-dictionary
    """

    deviceId: str


class MediaTrackSettings(TypedDict, total=False):
    """The current settings of a track. https://www.w3.org/TR/mediacapture-streams/#media-track-settings."""

    deviceId: str
    groupId: str
    width: int
    height: int
    aspectRatio: float
    frameRate: float
    facingMode: str
    resizeMode: str
    backgroundBlur: bool
    sampleRate: int
    sampleSize: int
    channelCount: int
    latency: float
    echoCancellation: bool | str
    autoGainControl: bool
    noiseSuppression: bool
    exposureMode: str
    exposureTime: float
    exposureCompensation: float
    whiteBalanceMode: str
    colorTemperature: float
    pointsOfInterest: Sequence[Point2D]
    focusMode: str
    focusDistance: float
    iso: float
    brightness: float
    contrast: float
    saturation: float
    sharpness: float
    pan: float
    tilt: float
    zoom: float
    torch: bool
    displaySurface: str
    logicalSurface: bool
    cursor: str
    restrictOwnAudio: bool
    suppressLocalAudioPlayback: bool
    screenPixelRatio: float


class ULongRange(TypedDict, total=False):
    """The whole numbers that a property can have. https://www.w3.org/TR/mediacapture-streams/#dom-ulongrange."""

    min: int
    max: int


class DoubleRange(TypedDict, total=False):
    """The numbers that a property can have. https://www.w3.org/TR/mediacapture-streams/#dom-doublerange."""

    min: float
    max: float


class MediaSettingsRange(DoubleRange, total=False):
    """The numbers that a camera's control can have. https://www.w3.org/TR/image-capture/#mediasettingsrange-section."""

    step: float


class MediaTrackCapabilities(TypedDict, total=False):
    """The capabilities of a track. https://www.w3.org/TR/mediacapture-streams/#media-track-capabilities."""

    deviceId: str
    groupId: str
    width: ULongRange
    height: ULongRange
    aspectRatio: DoubleRange
    frameRate: DoubleRange
    facingMode: list[str]
    resizeMode: list[str]
    backgroundBlur: list[bool]
    sampleRate: ULongRange
    sampleSize: ULongRange
    channelCount: ULongRange
    latency: DoubleRange
    echoCancellation: list[bool | str]
    autoGainControl: list[bool]
    noiseSuppression: list[bool]
    exposureMode: list[str]
    exposureTime: MediaSettingsRange
    exposureCompensation: MediaSettingsRange
    whiteBalanceMode: list[str]
    colorTemperature: MediaSettingsRange
    pointsOfInterest: Any
    focusMode: list[str]
    focusDistance: MediaSettingsRange
    iso: MediaSettingsRange
    brightness: MediaSettingsRange
    contrast: MediaSettingsRange
    saturation: MediaSettingsRange
    sharpness: MediaSettingsRange
    pan: MediaSettingsRange
    tilt: MediaSettingsRange
    zoom: MediaSettingsRange
    torch: list[bool]
    displaySurface: str
    logicalSurface: bool
    cursor: list[str]
    restrictOwnAudio: list[bool]
    suppressLocalAudioPlayback: list[bool]


class PhotoSettings(TypedDict, total=False):
    """The options of ``take_photo``. https://www.w3.org/TR/image-capture/#photosettings-section."""

    fillLightMode: FillLightMode
    imageHeight: float
    imageWidth: float
    redEyeReduction: bool


class MediaRecorderOptions(TypedDict, total=False):
    """The options of a recorder. https://www.w3.org/TR/mediastream-recording/#mediarecorderoptions-section."""

    mimeType: str
    audioBitsPerSecond: int
    videoBitsPerSecond: int
    bitsPerSecond: int
    audioBitrateMode: BitrateMode
    videoKeyFrameIntervalDuration: float
    videoKeyFrameIntervalCount: int


class PhotoCapabilities(TypedDict, total=False):
    """The result of ``get_photo_capabilities``. https://www.w3.org/TR/image-capture/#photocapabilities-section."""

    redEyeReduction: RedEyeReduction
    imageHeight: MediaSettingsRange
    imageWidth: MediaSettingsRange
    fillLightMode: list[FillLightMode]


class MediaStreamTrackProcessorInit(TypedDict):
    """The argument of ``MediaStreamTrackProcessor``.

    https://www.w3.org/TR/mediacapture-transform/#dictdef-mediastreamtrackprocessorinit
    """

    track: MediaStreamTrack
    maxBufferSize: NotRequired[int]


# Events


class MediaStreamTrackEventInit(TypedDict):
    """The init dictionary of a ``MediaStreamTrackEvent``.

    https://www.w3.org/TR/mediacapture-streams/#dom-mediastreamtrackeventinit
    """

    track: MediaStreamTrack


class DeviceChangeEventInit(TypedDict, total=False):
    """The init dictionary of a ``DeviceChangeEvent``.

    https://www.w3.org/TR/mediacapture-streams/#dom-devicechangeeventinit
    """

    devices: Sequence[MediaDeviceInfo]


class BlobEventInit(TypedDict):
    """The init dictionary of a ``BlobEvent``. https://www.w3.org/TR/mediastream-recording/#dictdef-blobeventinit."""

    data: Blob
    timecode: NotRequired[float]


# The metadata of a frame


class Segment(TypedDict):
    """A part of a person in the picture. https://w3c.github.io/mediacapture-extensions/#dictdef-segment."""

    type: SegmentType
    id: int
    partOf: NotRequired[int]
    probability: float
    centerPoint: NotRequired[Point2D]
    boundingBox: NotRequired[Mapping[str, float]]


class MediaEffectInfo(TypedDict):
    """The state of an effect. https://w3c.github.io/mediacapture-extensions/#dictdef-mediaeffectinfo."""

    enabled: bool


class VideoFrameMetadata(TypedDict, total=False):
    """The description of a frame by its source.

    https://w3c.github.io/mediacapture-extensions/#dictdef-videoframemetadata
    """

    segments: Sequence[Segment]
    backgroundBlur: MediaEffectInfo
    backgroundSegmentationMask: Any
