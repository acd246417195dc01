"""The program as it is started: as a command, as a module, on machines that lack libraries, in odd environments."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mscli import __version__
from mscli.cli.main import COMMANDS
from tests.cli.program import FakeMachine, camera, error_json, error_line, microphone
from tests.conftest import ROOT, demand, require

BLOCKED = ("sounddevice", "cv2", "av", "numpy")
BLOCK = f"""
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED}:
            raise ImportError(f"{{name}} is not on this machine")
sys.meta_path.insert(0, Block())
"""
NAMES = ["-x.png", " x y .png", "a\nb.png", "ü😀.png", "x" * 251 + ".png", "$(x)';\".png", "bad\udcff\udcfe.png", "[bold].png"]


def test_the_command_and_the_module_are_the_same_program(fake: FakeMachine) -> None:
    script = Path(sys.executable).parent / "mscli"
    demand([] if script.exists() else ["mscli is not installed beside this Python"])
    for arguments in (["--version"], ["--help"], ["devices", "--json"], ["snapshot", "x.bmp"], ["record", "--help"]):
        told = subprocess.run([script, *arguments], cwd=fake.folder, env=fake.environment, capture_output=True, check=False)
        module = fake(*arguments)
        assert (told.returncode, told.stdout, told.stderr) == (module.returncode, module.stdout, module.stderr)


@pytest.fixture
def bare(fake: FakeMachine) -> dict[str, str]:
    """An environment in which none of the optional libraries can be imported."""
    folder = fake.folder.with_suffix(".site")
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(BLOCK)
    return {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


def test_help_and_version_need_no_library(fake: FakeMachine, bare: dict[str, str]) -> None:
    assert fake("--version", env=bare, code=0).stdout.decode() == f"mscli {__version__}\n"
    assert fake("capture", "--version", env=bare).returncode == 2
    for command in ([], *([name] for name in COMMANDS)):
        text = fake(*command, "--help", env=bare, code=0).stdout.decode()
        assert text.startswith("Usage: mscli")
        brief = fake(*command, "-h", env=bare, code=0).stdout.decode()
        assert brief.startswith(text.partition("\n\n")[0])
        assert fake("help", *command, env=bare, code=0).stdout.decode() == text
    assert all(name in fake("--help", env=bare, code=0).stdout.decode() for name in COMMANDS)


def test_what_needs_no_library_works_without(fake: FakeMachine, bare: dict[str, str]) -> None:
    assert len(fake.json("devices", "--json", env=bare)) == 3
    assert fake.json("record", "--dry-run", "--json", "x.mkv", env=bare)["tracks"]
    assert len(fake("capture", "--frames", "2", env=bare, code=0).stdout) == 2 * 640 * 480 * 3 // 2


def test_fake_devices_are_asked_for_by_flag_and_by_environment(fake: FakeMachine) -> None:
    (fake.folder / "one.json").write_text(json.dumps({"devices": [camera(label="One")]}))
    for arguments, value, labels in (
        (["--fake-devices"], "", ["Fake microphone", "Fake camera", "Fake speaker"]),
        ([], "1", ["Fake microphone", "Fake camera", "Fake speaker"]),
        ([], "one.json", ["One"]),
        (["--fake-devices-from", "one.json"], "1", ["One"]),
        (["--fake-devices"], "one.json", ["Fake microphone", "Fake camera", "Fake speaker"]),
    ):
        found = fake.json("devices", "--json", *arguments, env={"MSCLI_FAKE_DEVICES": value})
        assert [device["label"] for device in found] == labels
    error = error_json(fake("snapshot", "--json", "x.png", env={"MSCLI_FAKE_DEVICES": "nonexistent"}, code=2))
    assert "nonexistent" in error["message"]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_file_may_have_any_name(name: str, fake: FakeMachine) -> None:
    done = fake("snapshot", "--json", "--", name, code=0)
    assert (fake.files, json.loads(done.stdout)["files"]) == ([name], [name])
    sound = os.path.splitext(name)[0] + ".wav"
    fake("record", "--frames", "480", "--events", "events", "--", sound, code=0)
    events = [json.loads(line) for line in (fake.folder / "events").read_text().splitlines()]
    assert [event["file"] for event in events if event["type"] == "stop"] == [sound]


ENVIRONMENTS: list[dict[str, str]] = [
    {"LC_ALL": "C"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "latin-1"},
    {"TERM": "dumb", "COLUMNS": "20"},
    {"COLUMNS": "0", "LINES": "x"},
    {"HOME": "/nonexistent", "XDG_RUNTIME_DIR": "/nonexistent", "TMPDIR": "/nonexistent"},
    {"PYTHONWARNINGS": "error", "PYTHONDEVMODE": "1"},
    {"PYTHONOPTIMIZE": "2"},
]


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda environment: ",".join(environment))
def test_json_is_utf8_and_people_are_told_in_any_environment(environment: dict[str, str], fake: FakeMachine) -> None:
    fake.plug(camera(label="Käméra “日本” 😀"), microphone())
    found = fake("devices", "--json", env=environment, code=0)
    assert json.loads(found.stdout.decode())[1]["label"] == "Käméra “日本” 😀"
    error = error_json(fake("snapshot", "--json", "--camera", "nobody", "x.png", env=environment, code=3))
    assert "Käméra “日本” 😀" in error["hints"][0]
    told = fake("record", "--frames", "3", "x.mkv", env=environment, code=0)
    assert (told.stdout, len(told.stderr.splitlines())) == (b"", 4)
    table = fake("devices", env=environment, code=0)
    assert (b"Microphone" in table.stdout, table.stderr) == (True, b"")


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda environment: ",".join(environment))
def test_help_is_printed_in_any_environment(environment: dict[str, str], fake: FakeMachine) -> None:
    done = fake("record", "--help", env=environment, code=0)
    assert (done.stdout[:19], done.stderr) == (b"Usage: mscli record", b"")


def test_few_descriptors_are_enough(fake: FakeMachine) -> None:
    commands = ("record --frames 3 x.mkv", "snapshot x.png", "capture --frames 1 -o x.raw")
    done = fake.shell(f"ulimit -n 16; {' && '.join(f'mscli {command}' for command in commands)}")
    assert (done.returncode, fake.files) == (0, ["x.mkv", "x.png", "x.raw"]), done.stderr.decode()


def test_an_empty_environment_and_a_folder_that_is_gone_are_no_defects(fake: FakeMachine) -> None:
    program = f"{sys.executable} -m mscli"
    done = fake.shell(f"env -i PYTHONPATH={ROOT} {program} record --fake-devices --frames 3 x.mkv")
    assert (done.returncode, fake.files) == (0, ["x.mkv"]), done.stderr.decode()
    done = fake.shell("mkdir gone && cd gone && rmdir ../gone && mscli snapshot x.png")
    assert done.returncode == 9
    assert error_line(done).startswith("mscli: error: cannot write x.png: ")


def test_a_terminal_of_80_columns_shows_whole_tables(fake: FakeMachine) -> None:
    require("tmux")
    fake.plug(camera(label="Integrated Camera: Integrated C", deviceId="0123456789abcdef" * 2), microphone())
    program = " ".join(fake.argv)
    (fake.folder / "tables").write_text(f"{program} devices; {program} capabilities int; echo READY; sleep 60")
    done = fake.shell(
        'tmux() { command tmux -L mscli-$$ -f /dev/null "$@"; }\n'
        "tmux new-session -d -x 80 -y 50 bash tables\n"
        "for try in {1..100}; do tmux capture-pane -p | grep -q READY && break; sleep 0.1; done\n"
        "tmux capture-pane -p; tmux kill-server"
    )
    shown = done.stdout.decode()
    assert "READY" in shown, done.stderr.decode()
    assert "Integrated Camera: Integrated C (default)" in " ".join(shown.split())
    assert "0123456789abcdef" * 2 in shown
    rows = {line.split()[0] for line in shown.splitlines() if line.strip()}
    assert {"kind", "camera", "microphone", "property", "width", "frameRate", "format", "I420"} <= rows
