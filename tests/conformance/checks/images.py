"""ImageCapture, and the constraints, capabilities and settings of camera controls."""

from __future__ import annotations

import io
from typing import Any

import av
import pytest

import mscli
from tests.conformance.checklist import Description, Room, check
from tests.conformance.checks.idl import check_methods, check_read_only
from tests.untyped import untyped

RANGES: dict[str, tuple[float, float, float]] = {  # name → min, max, step
    "exposureCompensation": (-2, 2, 0.5), "exposureTime": (1, 1000, 1), "colorTemperature": (2800, 6500, 10),
    "iso": (100, 800, 100), "brightness": (0, 255, 1), "contrast": (0, 100, 1), "saturation": (0, 100, 1),
    "sharpness": (0, 10, 1), "focusDistance": (0, 250, 5), "pan": (-36000, 36000, 3600), "tilt": (-36000, 36000, 3600),
    "zoom": (100, 400, 1),
}  # fmt: skip
MODES = {name: ["manual", "continuous"] for name in ("exposureMode", "whiteBalanceMode", "focusMode")}
WANTED: dict[str, Any] = {  # what can be set together
    "exposureMode": "manual", "whiteBalanceMode": "manual", "focusMode": "manual", "exposureTime": 125,
    "colorTemperature": 3000, "iso": 400, "brightness": 50, "contrast": 20, "saturation": 30, "sharpness": 3,
    "focusDistance": 25, "pan": 3600, "tilt": -3600, "zoom": 200, "torch": True,
}  # fmt: skip
NAMES = (*MODES, "pointsOfInterest", *RANGES, "torch")
CAMERA: Description = {
    "kind": "videoinput",
    "deviceId": "camera",
    "groupId": "webcam",
    "label": "Camera",
    "modes": [{"width": 640, "height": 480}, {"width": 320, "height": 240}, {"width": 1280, "height": 720}],
    "controls": {
        **MODES,
        **{name: dict(zip(("min", "max", "step"), span, strict=True)) for name, span in RANGES.items()},
        "torch": [False, True],
    },
}
PLAIN: Description = {name: value for name, value in CAMERA.items() if name != "controls"}


def track_of(room: Room, description: Description = CAMERA, **constraints: object) -> mscli.MediaStreamTrack:
    """A live track of one camera."""
    (track,) = room.devices(description).get_user_media(untyped({"video": constraints or True})).get_tracks()
    return track


def capture_of(room: Room, description: Description = CAMERA, **constraints: object) -> mscli.ImageCapture:
    """An ImageCapture of it."""
    return mscli.ImageCapture(track_of(room, description, **constraints))


def picture_in(blob: mscli.Blob) -> av.VideoFrame:
    """The picture in a file."""
    with av.open(io.BytesIO(blob.bytes()), "r") as file:
        return next(file.decode(video=0))


def mean(picture: av.VideoFrame) -> float:
    """The mean luma of a picture."""
    plane = bytes(picture.reformat(64, 48, "gray").planes[0])
    return sum(plane) / len(plane)


# Supported constraints

for _number, _name in enumerate((
    "whiteBalanceMode", "exposureMode", "focusMode", "pointsOfInterest", "exposureCompensation", "exposureTime",
    "colorTemperature", "iso", "brightness", "contrast", "saturation", "sharpness", "focusDistance", "pan", "tilt", "zoom",
    "torch",
), 371):  # fmt: skip

    @check(f"W{_number}")
    def a_constraint_is_supported(room: Room, name: str = _name) -> None:
        assert room.devices().get_supported_constraints()[name] is True


# The constructor, grabFrame


@check("W388")
def the_track_is_the_one_given(room: Room) -> None:
    track = track_of(room)
    assert mscli.ImageCapture(track).track is track


@check("W390")
def no_frame_of_an_ended_track(room: Room) -> None:
    capture = capture_of(room)
    capture.track.stop()
    with pytest.raises(mscli.InvalidStateError):
        capture.grab_frame()


@check("W391")
def no_capture_of_sound(room: Room) -> None:
    with pytest.raises(mscli.NotSupportedError):
        mscli.ImageCapture(room.track("audio"))


@check("W392")
def a_capture_needs_an_argument(room: Room) -> None:
    constructor: Any = mscli.ImageCapture
    with pytest.raises(TypeError):
        constructor()


@check("W393")
def a_capture_needs_a_track(room: Room) -> None:
    constructor: Any = mscli.ImageCapture
    arguments: tuple[Any, ...] = ("invalid", None, 123, {}, "", True)
    for argument in arguments:
        with pytest.raises(TypeError):
            constructor(argument)


@check("W394")
def a_frame_has_the_size_of_the_track(room: Room) -> None:
    frame = capture_of(room, width={"exact": 320}).grab_frame()
    assert frame.display_size or (frame.coded_width, frame.coded_height) == (320, 240)


@check("W395")
def a_frame_has_the_pixels_of_the_source(room: Room) -> None:
    frame = capture_of(room, PLAIN, width={"exact": 320}).grab_frame()
    luma, stride = frame.planes[0], frame.strides[0]
    bars = [luma[10 * stride + 20 + 40 * bar] for bar in range(8)]  # EBU colour bars, at 75 %
    assert all(abs(found - wanted) <= 5 for found, wanted in zip(bars, (180, 162, 131, 112, 84, 65, 35, 16), strict=True))


@check("W397")
def the_track_is_read_only(room: Room) -> None:
    check_read_only(capture_of(room), "track")


# applyConstraints, getConstraints


@check("W398")
def constraints_may_be_left_out(room: Room) -> None:
    track_of(room).apply_constraints()


@check("W399")
def there_may_be_no_advanced_set(room: Room) -> None:
    track_of(room).apply_constraints({"advanced": []})


@check("W402")
def what_is_applied_is_in_the_settings(room: Room) -> None:
    track = track_of(room)
    track.apply_constraints(untyped({"advanced": [WANTED]}))
    assert track.get_settings().items() >= WANTED.items()
    track.apply_constraints({"advanced": [{"exposureMode": "continuous", "exposureCompensation": 1}]})
    assert track.get_settings()["exposureCompensation"] == 1


@check("W405")
def what_is_applied_are_the_constraints(room: Room) -> None:
    track = track_of(room)
    track.apply_constraints(untyped({"advanced": [WANTED]}))
    assert track.get_constraints() == {"advanced": [WANTED]}


@check("W406")
def the_device_gets_the_values(room: Room) -> None:
    devices = room.devices(CAMERA)
    (track,) = devices.get_user_media({"video": True}).get_tracks()
    track.apply_constraints(untyped({"advanced": [WANTED]}))
    track.stop()
    (again,) = devices.get_user_media({"video": True}).get_tracks()  # the camera keeps them
    assert again.get_settings().items() >= WANTED.items()


@check("W418")
def each_constraint_alone_is_kept(room: Room) -> None:
    track = track_of(room)
    for name, value in WANTED.items():
        track.apply_constraints(untyped({"advanced": [{name: value}]}))
        assert track.get_constraints() == {"advanced": [{name: value}]}


@check("W419")
def points_of_interest_are_kept(room: Room) -> None:
    track, wanted = track_of(room), {**WANTED, "pointsOfInterest": [{"x": 0.1, "y": 0.2}, {"x": 0.3, "y": 0.4}]}
    track.apply_constraints(untyped({"advanced": [wanted]}))
    assert track.get_constraints() == {"advanced": [wanted]}


@check("W420")
def an_empty_dictionary_clears_the_constraints(room: Room) -> None:
    track = track_of(room)
    track.apply_constraints(untyped({"advanced": [WANTED]}))
    track.apply_constraints({})
    assert track.get_constraints() == {}


# clone


@check("W407", "W408", "W409")
def a_clone_is_set_the_same(room: Room) -> None:
    track = track_of(room)
    track.apply_constraints(untyped({"advanced": [WANTED]}))
    twin = track.clone()
    assert twin.get_constraints() == track.get_constraints()
    assert twin.get_settings() == track.get_settings()
    assert twin.get_capabilities() == track.get_capabilities()


@check("W410")
def constraints_of_a_clone_are_its_own(room: Room) -> None:
    track = track_of(room)
    track.apply_constraints(untyped({"advanced": [WANTED]}))
    twin = track.clone()
    twin.apply_constraints({"advanced": [{"zoom": 300}]})
    assert track.get_constraints() == {"advanced": [WANTED]}


@check("W411")
def a_clone_does_not_change_the_original_s_required_settings(room: Room) -> None:
    track = track_of(room)
    track.apply_constraints({"zoom": {"exact": 200}})
    with pytest.raises(mscli.OverconstrainedError):  # one camera has one zoom
        track.clone().apply_constraints({"zoom": {"exact": 300}})
    assert track.get_settings()["zoom"] == 200


# getCapabilities, getSettings


@check("W412")
def capabilities_are_an_object(room: Room) -> None:
    assert isinstance(track_of(room).get_capabilities(), dict)


@check("W413")
def settings_are_an_object(room: Room) -> None:
    assert isinstance(track_of(room).get_settings(), dict)


@check("W414")
def ranges_are_those_of_the_device(room: Room) -> None:
    able = untyped(track_of(room).get_capabilities())
    for name, span in RANGES.items():
        assert able[name] == dict(zip(("min", "max", "step"), span, strict=True)), name


@check("W415")
def modes_are_those_of_the_device(room: Room) -> None:
    assert track_of(room).get_capabilities().items() >= MODES.items()


@check("W417")
def a_torch_is_a_capability(room: Room) -> None:
    assert track_of(room).get_capabilities()["torch"] == [False, True]
    assert "torch" not in track_of(room, PLAIN).get_capabilities()


@check("W421")
def settings_are_those_of_the_device(room: Room) -> None:
    values = {"zoom": {**CAMERA["controls"]["zoom"], "value": 150}, "torch": [False, True]}
    settings = track_of(room, {**CAMERA, "controls": values}).get_settings()
    assert (settings["zoom"], settings["torch"]) == (150, False)


# Photos


@check("W423")
def photo_capabilities_are_those_of_the_device(room: Room) -> None:
    assert capture_of(room).get_photo_capabilities() == {
        "redEyeReduction": "never",
        "fillLightMode": ["off", "flash"],
        "imageWidth": {"min": 320, "max": 1280, "step": 0},
        "imageHeight": {"min": 240, "max": 720, "step": 240},
    }
    assert capture_of(room, PLAIN).get_photo_capabilities()["fillLightMode"] == []


@check("W424", "W427", "W434")
def nothing_works_after_the_end(room: Room) -> None:
    capture = capture_of(room)
    capture.track.stop()
    for use in (capture.get_photo_capabilities, capture.get_photo_settings, capture.take_photo):
        with pytest.raises(mscli.InvalidStateError):
            use()


@check("W426")
def photo_settings_are_those_of_the_device(room: Room) -> None:
    settings = capture_of(room, width={"exact": 320}).get_photo_settings()
    assert (settings["imageWidth"], settings["imageHeight"]) == (320, 240)


@check("W429")
def no_required_pan_tilt_or_zoom(room: Room) -> None:
    for name in ("pan", "tilt", "zoom"):
        for member in ("min", "max", "exact"):
            with pytest.raises(TypeError):
                room.devices(CAMERA).get_user_media(untyped({"video": {name: {member: 200}}}))


@check("W430")
def a_photo_has_a_type_and_a_size(room: Room) -> None:
    photo = capture_of(room).take_photo()
    assert photo.type == "image/jpeg"
    assert photo.size == len(photo.bytes()) > 1000


@check("W431")
def photo_settings_may_be_null(room: Room) -> None:
    assert capture_of(room).take_photo(None).size


@check("W432")
def photo_settings_reach_the_device(room: Room) -> None:
    capture = capture_of(room, width={"exact": 320})
    usual = picture_in(capture.take_photo())
    large = picture_in(capture.take_photo({"imageWidth": 1200, "imageHeight": 700, "redEyeReduction": False}))
    lit = picture_in(capture.take_photo({"fillLightMode": "flash"}))
    assert [(one.width, one.height) for one in (usual, large, lit)] == [(320, 240), (1280, 720), (320, 240)]
    assert mean(lit) > mean(usual) + 20
    assert capture.get_photo_settings()["fillLightMode"] == "off"
    assert capture.track.get_settings()["width"] == 320
    assert picture_in(capture.take_photo()).width == 320


@check("W433")
def bad_photo_settings_are_not_supported(room: Room) -> None:
    bad: list[dict[str, Any]] = [{name: size} for name in ("imageWidth", "imageHeight") for size in (1, 5000)]
    for settings in (*bad, {"fillLightMode": "auto"}, {"redEyeReduction": True}):
        with pytest.raises(mscli.NotSupportedError):
            capture_of(room).take_photo(settings)
    with pytest.raises(TypeError):
        capture_of(room).take_photo({"fillLightMode": "bright"})


@check("W436")
def the_members_of_image_capture(room: Room) -> None:
    capture = capture_of(room)
    check_read_only(capture, "track")
    check_methods(capture, "take_photo", "get_photo_capabilities", "get_photo_settings", "grab_frame")
