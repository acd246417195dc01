"""enumerateDevices and getSupportedConstraints."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

import mscli
from mscli.sources.sound import alsa, portaudio
from tests.conformance.checklist import CAMERAS, MICROPHONES, SPEAKER, Room, check
from tests.conftest import ROOT, clean_environment
from tests.unit.stage import TIMEOUT_S

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


class Cards(mscli.Backend):
    """The sound cards of the kernel's lists, with the ids that they get on a real machine."""

    name = "portaudio"

    def devices(self, kinds: Sequence[str] = tuple(portaudio.DIRECTIONS)) -> list[mscli.Device]:
        return [card for kind in portaudio.DIRECTIONS if kind in kinds for card in portaudio._cards(kind)]

    def abilities(self, device: mscli.Device) -> mscli.Abilities:
        return mscli.Abilities()

    def open(self, device: mscli.Device, request: mscli.Request) -> mscli.Source:
        raise NotImplementedError


def started(machine: Path, boot: str) -> list[dict[str, str]]:
    """What is listed after a start in which the machine has numbered the cards at these USB ports in this order."""
    folder = machine / boot
    cards, pcms = [], []
    for number, port in enumerate(boot):
        usb = machine / f"usb1/1-{port}"
        usb.mkdir(parents=True, exist_ok=True)
        (usb / "idVendor").write_text("1209")
        (folder / f"card{number}/pcm0c").mkdir(parents=True)
        (folder / f"class{number}").mkdir()
        (folder / f"class{number}/device").symlink_to(usb)
        cards.append(f" {number} [Card]: USB-Audio - Headset {port}\n")
        pcms.append(f"{number:02}-00: USB Audio : USB Audio : capture 1\n")
    (folder / "cards").write_text("".join(cards))
    (folder / "pcm").write_text("".join(pcms))
    with pytest.MonkeyPatch.context() as patch, mscli.MediaDevices(backends=[Cards()]) as devices:
        patch.setattr(alsa, "ROOT", str(folder))
        patch.setattr(alsa, "sysfs", lambda card: str(folder / f"class{card}"))
        return [info.to_json() for info in devices.enumerate_devices()]


def name_of(listed: dict[str, str]) -> str:
    """The name of a card, without the number that it has since the start."""
    return listed["label"].partition(":")[0]


@check("W028")
def device_ids_are_stable(room: Room) -> None:
    with TemporaryDirectory() as machine:
        first, second = (started(Path(machine), boot) for boot in ("123", "312"))
    assert [name_of(one) for one in second] == ["Headset 3", "Headset 1", "Headset 2"]
    ids = {name_of(one): one["deviceId"] for one in first}
    assert len(set(ids.values())) == 3
    assert {name_of(one): one["deviceId"] for one in second} == ids


@check("W029")
def kind_and_label_go_with_the_device_id(room: Room) -> None:
    with TemporaryDirectory() as machine:
        first, second = (
            {one["deviceId"]: (one["kind"], name_of(one), one["groupId"]) for one in started(Path(machine), boot)}
            for boot in ("12", "21")
        )
    assert {(kind, name) for kind, name, _ in first.values()} == {("audioinput", "Headset 1"), ("audioinput", "Headset 2")}
    assert len({group for *_, group in first.values()}) == 2
    assert first == second


def listed_elsewhere(**environment: str) -> list[dict[str, Any]]:
    """What the program lists in a process of its own."""
    with TemporaryDirectory() as folder:
        described = Path(folder, "devices.json")
        described.write_text(json.dumps({"devices": [*CAMERAS, *MICROPHONES, SPEAKER]}))
        command = [sys.executable, "-m", "mscli", "devices", "--json", "--fake-devices-from", str(described)]
        environment = {**clean_environment(), **environment}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True, timeout=TIMEOUT_S)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@check("W030")
def the_number_of_devices_is_the_same_in_another_process(room: Room) -> None:
    here, there = room.devices().enumerate_devices(), listed_elsewhere()
    for kind in KINDS:
        assert count(here, kind) == sum(one["kind"] == kind for one in there) > 0


@check("W035")
def the_number_of_devices_is_the_same_without_anything_that_was_kept(room: Room) -> None:
    with TemporaryDirectory() as empty:
        found = listed_elsewhere(HOME=empty, **{f"XDG_{name}_HOME": empty for name in ("CACHE", "CONFIG", "DATA", "STATE")})
    here = room.devices().enumerate_devices()
    assert sorted((one["kind"], one["deviceId"]) for one in found) == sorted((one.kind, one.device_id) for one in here)


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
