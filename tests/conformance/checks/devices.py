"""enumerateDevices and getSupportedConstraints."""

from __future__ import annotations

import mscli
from tests.conformance.checklist import CAMERAS, MICROPHONES, Room, check

KINDS = {"videoinput", "audioinput", "audiooutput"}
CONSTRAINTS = {
    "W064": "width", "W065": "height", "W066": "aspectRatio", "W067": "frameRate", "W068": "facingMode", "W069": "resizeMode",
    "W070": "sampleRate", "W071": "sampleSize", "W072": "echoCancellation", "W073": "autoGainControl",
    "W074": "noiseSuppression", "W075": "latency", "W076": "channelCount", "W077": "deviceId", "W078": "groupId",
}  # fmt: skip


def pairs(room: Room) -> list[tuple[mscli.MediaDeviceInfo, mscli.MediaDeviceInfo]]:
    """What two enumerations of the same devices give."""
    devices = room.devices()
    return list(zip(devices.enumerate_devices(), devices.enumerate_devices(), strict=True))


def count(infos: list[mscli.MediaDeviceInfo], kind: str) -> int:
    """How many devices there are of that kind."""
    return sum(info.kind == kind for info in infos)


@check("W026")
def denied_cameras_are_not_listed(room: Room) -> None:
    infos = room.devices({**CAMERAS[0], "faults": {"denied": True}}).enumerate_devices()
    assert count(infos, "videoinput") == 0


@check("W027")
def denied_microphones_are_not_listed(room: Room) -> None:
    infos = room.devices({**MICROPHONES[0], "faults": {"denied": True}}).enumerate_devices()
    assert count(infos, "audioinput") == 0


@check("W028")
def device_ids_are_stable(room: Room) -> None:
    first, second = ([info.device_id for info in room.devices().enumerate_devices()] for _ in range(2))
    assert first == second


@check("W029")
def kind_and_label_go_with_the_device_id(room: Room) -> None:
    first, second = ([info.to_json() for info in room.devices().enumerate_devices()] for _ in range(2))
    assert first == second


@check("W030", "W035")
def the_number_of_devices_is_the_same_elsewhere(room: Room) -> None:
    assert len(room.devices().enumerate_devices()) == len(room.devices().enumerate_devices()) == 5


@check("W031", "W033")
def device_ids_differ_elsewhere(room: Room) -> None:
    first, second = ({info.device_id for info in room.devices().enumerate_devices()} for _ in range(2))
    assert not first & second


@check("W032", "W034")
def group_ids_differ_elsewhere(room: Room) -> None:
    first, second = ({info.group_id for info in room.devices().enumerate_devices()} for _ in range(2))
    assert not first & second


@check("W036", "W047")
def one_device_of_each_kind_before_capture(room: Room) -> None:
    infos = room.devices().enumerate_devices()
    assert all(count(infos, kind) <= 1 for kind in KINDS)


@check("W056")
def one_microphone_before_capture(room: Room) -> None:
    assert count(room.devices().enumerate_devices(), "audioinput") <= 1


@check("W057")
def one_camera_before_capture(room: Room) -> None:
    assert count(room.devices().enumerate_devices(), "videoinput") <= 1


@check("W037", "W044", "W052")
def no_device_id_before_capture(room: Room) -> None:
    assert {info.device_id for info in room.devices().enumerate_devices()} == {""}


@check("W038", "W046", "W053")
def no_label_before_capture(room: Room) -> None:
    assert {info.label for info in room.devices().enumerate_devices()} == {""}


@check("W039", "W045", "W054")
def no_group_id_before_capture(room: Room) -> None:
    assert {info.group_id for info in room.devices().enumerate_devices()} == {""}


@check("W040")
def lists_of_equal_length(room: Room) -> None:
    assert len(pairs(room)) == 5


@check("W041")
def new_objects_each_time(room: Room) -> None:
    assert all(first is not second for first, second in pairs(room))


@check("W042")
def equal_device_ids(room: Room) -> None:
    assert all(first.device_id == second.device_id for first, second in pairs(room))


@check("W043")
def equal_kinds(room: Room) -> None:
    assert all(first.kind == second.kind for first, second in pairs(room))


@check("W048", "W049")
def new_objects_with_equal_ids_after_capture(room: Room) -> None:
    devices = room.devices()
    devices.get_user_media({"audio": True, "video": True})
    for first, second in zip(devices.enumerate_devices(), devices.enumerate_devices(), strict=True):
        assert first is not second
        assert (first.device_id, first.group_id) == (second.device_id, second.group_id)


@check("W050")
def enumerate_devices_exists(room: Room) -> None:
    assert callable(room.devices().enumerate_devices)


@check("W051", "W055")
def kinds_before_capture(room: Room) -> None:
    assert {info.kind for info in room.devices().enumerate_devices()} <= KINDS


@check("W058", "W059", "W060")
def kinds_and_ids_after_capture(room: Room) -> None:
    devices = room.devices()
    devices.get_user_media({"audio": True})
    infos = devices.enumerate_devices()
    assert {info.kind for info in infos} <= KINDS
    assert all(info.device_id for info in infos)


@check("W061")
def inputs_are_input_device_infos(room: Room) -> None:
    inputs = [info for info in room.devices().enumerate_devices() if info.kind != "audiooutput"]
    assert len(inputs) == 4
    assert all(isinstance(info, mscli.InputDeviceInfo) for info in inputs)


@check("W062")
def outputs_are_media_device_infos(room: Room) -> None:
    (output,) = (info for info in room.devices().enumerate_devices() if info.kind == "audiooutput")
    assert type(output) is mscli.MediaDeviceInfo


@check("W063", "W080")
def get_supported_constraints_exists(room: Room) -> None:
    assert callable(room.devices().get_supported_constraints)


@check(*CONSTRAINTS)
def constraints_are_supported(room: Room) -> None:
    supported = room.devices().get_supported_constraints()
    assert all(supported[name] is True for name in CONSTRAINTS.values())
