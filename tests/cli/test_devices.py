"""``mscli devices`` and ``mscli capabilities``: tables for people, the contract's JSON, and devices by their names."""

from __future__ import annotations

import json
import signal

import pytest

from tests.cli.program import FakeMachine, camera, error_json, error_line, microphone

USB = [
    camera(deviceId="a1", groupId="g1", label="USB Camera One"),
    camera(deviceId="a2", groupId="g2", label="USB Camera Two"),
    microphone(deviceId="a1", groupId="g1", label="Headset"),
    {"kind": "audiooutput", "deviceId": "out", "label": "Speaker"},
]


@pytest.fixture
def usb(fake: FakeMachine) -> FakeMachine:
    """A machine with two cameras, a microphone and a speaker."""
    fake.plug(*USB)
    return fake


def test_devices_has_the_contracts_members(usb: FakeMachine) -> None:
    found = usb.json("devices", "--json")
    assert [{name: device[name] for name in ("kind", "deviceId", "label", "groupId", "default")} for device in found] == [
        {"kind": "audioinput", "deviceId": "a1", "label": "Headset", "groupId": "g1", "default": True},
        {"kind": "videoinput", "deviceId": "a1", "label": "USB Camera One", "groupId": "g1", "default": True},
        {"kind": "videoinput", "deviceId": "a2", "label": "USB Camera Two", "groupId": "g2", "default": False},
        {"kind": "audiooutput", "deviceId": "out", "label": "Speaker", "groupId": "", "default": True},
    ]
    assert {device["backend"] for device in found} == {"fake"}


@pytest.mark.parametrize(
    ("kinds", "labels"),
    [
        (["videoinput"], {"USB Camera One", "USB Camera Two"}),
        (["audioinput"], {"Headset"}),
        (["audiooutput"], {"Speaker"}),
        (["audiooutput", "audioinput"], {"Headset", "Speaker"}),
    ],
)
def test_devices_are_chosen_by_kind(kinds: list[str], labels: set[str], usb: FakeMachine) -> None:
    flags = [f"--kind={kind}" for kind in kinds]
    assert {device["label"] for device in usb.json("devices", "--json", *flags)} == labels
    table = usb("devices", *flags, code=0).stdout.decode()
    assert {device["label"] for device in USB if device["label"] in table} == labels


def test_the_tables_go_to_stdout_and_nothing_to_stderr(usb: FakeMachine) -> None:
    for command in (("devices",), ("capabilities",)):
        done = usb(*command, code=0)
        assert (b"USB Camera One" in done.stdout, done.stderr) == (True, b"")
    rows = [line.split() for line in usb("devices", "--verbose", code=0).stdout.decode().splitlines()]
    assert rows[0][0] == "kind"
    assert "g2" in next(row for row in rows if "Two" in row)


def test_capabilities_has_the_contracts_members(usb: FakeMachine) -> None:
    found = usb.json("capabilities", "a2", "--json")
    assert set(found) == {"deviceId", "kind", "label", "groupId", "capabilities", "modes"}
    assert found["modes"] == [{"width": 320, "height": 240, "frameRate": 30, "pixelFormat": "I420"}]
    assert found["capabilities"]["width"]["max"] == 320
    assert (found["capabilities"]["deviceId"], found["capabilities"]["groupId"]) == ("a2", "g2")


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("a2", "USB Camera Two"),
        ("USB Camera Two", "USB Camera Two"),
        ("camera two", "USB Camera Two"),
        ("TWO", "USB Camera Two"),
        ("headset", "Headset"),
    ],
)
def test_a_device_goes_by_its_id_or_a_part_of_its_name_in_any_case(name: str, label: str, usb: FakeMachine) -> None:
    assert usb.json("capabilities", name, "--json")["label"] == label


def test_a_name_of_several_devices_lists_them(usb: FakeMachine) -> None:
    done = usb("snapshot", "--camera", "usb", "x.png", code=3)
    assert error_line(done) == "mscli: error: “usb” matches 2 devices (NotFoundError)"
    hints = done.stderr.decode().splitlines()[1:]
    assert [line for line in hints if "“USB Camera One”" in line and "a1" in line]
    assert [line for line in hints if "“USB Camera Two”" in line and "a2" in line]
    assert len(error_json(usb("capture", "--camera", "usb", "--json", "-o", "x", code=3))["hints"]) >= 2


def test_a_name_of_no_device_lists_all_that_could_be_meant(usb: FakeMachine) -> None:
    done = usb("snapshot", "--camera", "usb camra one", "x.png", code=3)
    assert (
        error_line(done) == "mscli: error: no camera matches “usb camra one” (did you mean “USB Camera One”?) (NotFoundError)"
    )
    assert "“USB Camera Two”" in done.stderr.decode()
    assert "Headset" not in done.stderr.decode()


def test_a_camera_of_the_name_is_meant_where_a_camera_is_asked_for(usb: FakeMachine) -> None:
    report = usb.json("record", "--dry-run", "--json", "--camera", "a1", "--microphone", "a1", "x.mkv")
    assert {track["kind"]: track["label"] for track in report["tracks"]} == {"video": "USB Camera One", "audio": "Headset"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_watching_tells_what_comes_and_ends_with_a_signal(number: signal.Signals, fake: FakeMachine) -> None:
    fake.plug(camera(), camera(label="Late", deviceId="late", faults={"appearAfterSeconds": 1}))
    with fake.running("devices", "--watch", "--json", events=False) as watch:
        assert watch.process.stdout
        first, second = (json.loads(watch.process.stdout.readline()) for _ in range(2))
        watch.send(number)
        assert watch.end().returncode == 0
    assert {first["type"], second["type"]} == {"devicechange"}
    assert [device["label"] for device in second["added"]] == ["Late"]
    assert ([device["label"] for device in second["devices"]], second["removed"]) == (["Camera", "Late"], [])
    assert first["time"] < second["time"]


@pytest.mark.parametrize("command", ["devices", "devices --json", "capabilities", "capabilities --json", "--help", "--version"])
def test_a_reader_that_leaves_is_no_failure(command: str, fake: FakeMachine) -> None:
    done = fake.shell(f"exec 9> >(exit); wait $!; mscli {command} >&9")
    assert (done.returncode, done.stderr) == (0, b"")
