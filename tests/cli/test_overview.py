"""``mscli`` without a command: what is there, and what can be done with it. "No camera" names a way to go on without one."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest

from mscli.cli.overview import JOBS
from tests.cli.program import Described, FakeMachine, camera, error_json, microphone

OPENERS = ("ctypes", "mscli.v4l2.node", "sounddevice", "av", "cv2")  # what a device could be opened with


def overview(fake: FakeMachine) -> str:
    """Return what ``mscli`` alone prints, which must fit a terminal and be all."""
    done = fake(code=0)
    assert done.stderr == b""
    text = done.stdout.decode()
    assert max(map(len, text.splitlines())) <= 80
    return text


def commands_in(text: str) -> list[str]:
    """Return the command lines of an overview."""
    return [line.split("  ")[1] for line in text.splitlines() if line.startswith("  mscli ")]


def test_it_names_the_devices_and_what_they_are_good_for(fake: FakeMachine) -> None:
    fake.plug(camera(label="Front"), camera(label="Back", deviceId="b"), microphone(label="Headset"))
    text = overview(fake)
    assert "camera      Front, Back\n" in text
    assert "microphone  Headset\n" in text
    assert "--fake-devices" not in text
    assert len(commands_in(text)) == len(JOBS)


@pytest.mark.parametrize(
    ("devices", "noun", "replaced"),
    [
        ([], "camera", {"snapshot", "record", "capture", "capabilities"}),
        ([microphone()], "camera", {"snapshot", "record", "capture", "capabilities"}),
        ([camera()], "microphone", {"record"}),
    ],
)
def test_what_is_missing_is_replaced_by_fake_devices(
    devices: list[Described], noun: str, replaced: set[str], fake: FakeMachine
) -> None:
    fake.plug(*devices)
    text = overview(fake)
    assert re.search(rf"{noun} +none found\n", text)
    assert "try --fake-devices for a built-in camera and microphone" in text
    assert {command.split()[1] for command in commands_in(text) if "--fake-devices" in command} == replaced


@pytest.mark.parametrize("devices", [[], [camera(), microphone()]], ids=["nothing", "both"])
def test_what_it_offers_can_be_done(devices: list[Described], fake: FakeMachine) -> None:
    fake.plug(*devices)
    for command in commands_in(overview(fake)):
        short = "--frames 1" if "capture" in command else "--duration 0.2" if "record" in command else ""
        line = command.replace("|", f"{short} |").replace("PROGRAM", "wc -c") if "|" in command else f"{command} {short}"
        done = fake.shell(f"set -o pipefail; {line}")
        assert done.returncode == 0, (line, done.stderr)
    assert fake.files == ["clip.mp4", "picture.png", "voice.m4a"]


def test_it_opens_no_device_of_this_machine(fake: FakeMachine) -> None:
    code = (
        "import sys\n"
        "opened = []\n"
        "sys.addaudithook(lambda event, details: opened.append(details[0]) if event == 'open' else None)\n"
        "from mscli.cli.main import run\n"
        "assert run([]) == 0\n"
        f"print({{name for name in {OPENERS} if name in sys.modules}}, [name for name in opened if str(name)[:5] == '/dev/'])\n"
    )
    environment = fake.environment | {"MSCLI_FAKE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert done.stdout.decode().splitlines()[-1] == "set() []"


def test_a_bad_description_of_fake_devices_is_an_error(fake: FakeMachine) -> None:
    assert b"nonexistent" in fake(env={"MSCLI_FAKE_DEVICES": "nonexistent"}, code=2).stderr


@pytest.mark.parametrize(
    "command",
    ["snapshot x.png", "record x.mkv", "capture -o x.raw", "capabilities", "snapshot --camera front x.png"],
)
def test_no_camera_found_says_how_to_go_on_without_one(command: str, fake: FakeMachine) -> None:
    fake.plug()
    error = error_json(fake(*shlex.split(command), "--json", code=3))
    assert any("--fake-devices" in hint for hint in error["hints"])


def test_no_devices_found_says_how_to_go_on_without_one(fake: FakeMachine) -> None:
    fake.plug()
    done = fake("devices", code=0)
    assert b"--fake-devices" in done.stdout
