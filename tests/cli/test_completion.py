"""TAB in real shells, in a terminal, and what the program answers to them."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from mscli.core.frames import PIXEL_FORMATS
from mscli.core.properties import AUDIO, PROPERTIES, VIDEO
from tests.conftest import ROOT, Program, clean_environment, require

BREAKS = " \t\n\"'@><=;|&(:"  # bash's COMP_WORDBREAKS
TIMEOUT_S = 30
DEVICES = {
    "devices": [
        {"kind": "videoinput", "deviceId": "id-built-in", "label": "Integrated Camera: Integrated C", "facingMode": "user"},
        {
            "kind": "videoinput",
            "deviceId": "id-brio",
            "label": "Logitech BRIO, 4K $(touch owned)",
            "modes": [{"width": 3840, "height": 2160, "frameRate": 30}, {"width": 800, "height": 600, "frameRate": 7.5}],
        },
        {"kind": "videoinput", "deviceId": "id-left", "label": "HD Cam"},
        {"kind": "videoinput", "deviceId": "id-right", "label": "HD Cam"},
        {"kind": "audioinput", "deviceId": "id-mic", "label": "Headset microphone", "sampleRates": [16000, 8000]},
    ]
}


@pytest.fixture
def described(tmp_path: Path) -> Path:
    """The file that describes the devices."""
    path = tmp_path / "devices.json"
    path.write_text(json.dumps(DEVICES))
    return path


class Asked(NamedTuple):
    """The program, asked as bash asks it."""

    mscli: Program
    described: Path

    def __call__(self, line: str) -> list[str]:
        env = {"_MSCLI_COMPLETE": "bash_complete", "COMP_LINE": line, "COMP_WORDBREAKS": BREAKS}
        done = self.mscli(env=env | {"MSCLI_FAKE_DEVICES": str(self.described)}, code=0)
        assert done.stderr == b""
        return done.stdout.decode().split("\n")[:-1]

    def values(self, line: str) -> list[str]:
        return [answer.removeprefix("plain\t") for answer in self(line)]


@pytest.fixture
def asked(mscli: Program, described: Path) -> Asked:
    return Asked(mscli, described)


def test_cameras_are_offered_by_name_and_equal_ones_by_id(asked: Asked) -> None:
    offered = [r"Integrated\ Camera:\ Integrated\ C", r"Logitech\ BRIO,\ 4K\ \$\(touch\ owned\)", "id-left", "id-right"]
    assert asked.values("mscli snapshot --camera ") == offered


def test_microphones_are_offered_for_microphones(asked: Asked) -> None:
    assert asked.values("mscli record --microphone ") == [r"Headset\ microphone"]


def test_capabilities_offers_cameras_and_microphones(asked: Asked) -> None:
    assert len(asked.values("mscli capabilities ")) == 5


def test_a_device_is_found_by_the_beginning_of_its_id(asked: Asked) -> None:
    assert asked.values("mscli capabilities id-b") == ["id-built-in", "id-brio"]


def test_a_device_is_found_by_a_part_of_its_name_in_any_case(asked: Asked) -> None:
    assert asked.values("mscli capabilities brio") == [r"Logitech\ BRIO,\ 4K\ \$\(touch\ owned\)"]


def test_a_reply_to_bash_begins_behind_the_last_word_break(asked: Asked) -> None:
    assert asked.values(r"mscli snapshot --camera Integrated\ Camera:") == [r"\ Integrated\ C"]


def test_a_reply_to_bash_within_quotes_is_not_quoted_again(asked: Asked) -> None:
    assert asked.values('mscli snapshot --camera "Integrated Camera: I') == ["Integrated Camera: Integrated C"]


def test_fake_devices_of_the_command_line_are_offered(asked: Asked) -> None:
    assert asked.values("mscli snapshot --fake-devices --camera ") == [r"Fake\ camera"]


def test_constraint_names_are_offered_ready_for_a_value(asked: Asked) -> None:
    assert asked.values("mscli record -c ") == [f"{name}=" for name in PROPERTIES]


def test_a_camera_s_own_controls_are_offered_by_name(asked: Asked) -> None:
    gain = {"v4l2:gain": {"min": 0, "max": 9}, "v4l2:gamma": {"min": 1, "max": 3}, "zoom": {"min": 1, "max": 2}}
    asked.described.write_text(json.dumps({"devices": [{"kind": "videoinput", "controls": gain}]}))
    assert asked.values("mscli snapshot -c v4") == ["v4l2:gain=", "v4l2:gamma="]
    assert asked.values("mscli snapshot -c v4l2:ga") == ["gain=", "gamma="]  # behind bash's last word break
    assert asked.values("mscli record --no-video -c v4") == [""]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("mscli snapshot", VIDEO),
        ("mscli record --no-audio", VIDEO),
        ("mscli record --microphone none", VIDEO),
        ("mscli capture --no-video", AUDIO),
    ],
)
def test_only_constraints_that_have_an_effect_are_offered(asked: Asked, line: str, kind: str) -> None:
    assert asked.values(f"{line} -c ") == [f"{name}=" for name, row in PROPERTIES.items() if kind in row.kinds]
    other = {VIDEO: "sampleRate", AUDIO: "width"}[kind]
    assert asked(f"{line} -c {other}=") == [""]


def test_constraint_values_are_those_of_the_default_device(asked: Asked) -> None:
    assert asked.values("mscli snapshot -c facingMode=") == ["user"]
    assert asked.values("mscli record --sample-rate ") == ["8000", "16000"]


def test_sizes_and_rates_are_those_of_the_camera_that_is_named(asked: Asked) -> None:
    assert asked.values("mscli snapshot --camera brio --size ") == ["800x600", "3840x2160"]
    assert asked.values("mscli snapshot --camera brio --frame-rate ") == ["7.5", "30"]


def test_the_ways_of_control_are_offered(asked: Asked) -> None:
    assert asked.values("mscli record --control ") == ["-", "unix:"]
    assert asked.values("mscli capture --control u") == ["unix:"]


def test_only_options_that_have_an_effect_are_offered(asked: Asked) -> None:
    assert asked.values("mscli record --micro") == ["--microphone"]
    assert asked("mscli snapshot --micro") == [""]
    assert asked("mscli snapshot --sample") == [""]


def test_kinds_and_the_commands_of_help_are_offered(asked: Asked) -> None:
    assert asked.values("mscli devices --kind c") == ["camera"]
    assert asked.values("mscli help rec") == ["record"]
    assert asked.values("mscli he") == ["help"]


def test_pixel_formats_are_offered_for_raw_output(asked: Asked) -> None:
    assert set(PIXEL_FORMATS) < set(asked.values("mscli capture --format "))


@pytest.mark.parametrize(
    "line", ["snapshot ", "snapshot -o ", "record ", "capture ", "capture -o ", "record --events ", "record --constraints "]
)
def test_files_are_left_to_the_shell(line: str, asked: Asked) -> None:
    assert asked(f"mscli {line}") == ["file\t"]


WRONG_SO_FAR = (
    "--camera nobody", "--constraints -", "--constraints no.json", "--advanced {", "--size big", "--control nowhere",
    "--control - --trigger stdin",
)  # fmt: skip


@pytest.mark.parametrize("before", WRONG_SO_FAR)
def test_a_line_that_is_wrong_so_far_completes_without_a_word_on_it(before: str, asked: Asked) -> None:
    assert asked.values(f"mscli record {before} --micro") == ["--microphone"]


def test_devices_that_cannot_be_listed_complete_to_nothing(asked: Asked) -> None:
    assert asked("mscli snapshot --fake-devices-from no.json --camera ") == [""]


def test_an_ordinary_run_does_not_load_what_only_a_shell_needs() -> None:
    code = "import sys; from mscli.cli.main import run; run(['devices', '--fake-devices', '--json']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=clean_environment(), capture_output=True, check=True)
    assert {"click.shell_completion", "mscli.cli.shells"}.isdisjoint(done.stdout.decode().split())


# In real shells: typed keys in, the edited line out.

START = {
    "bash": ("--noprofile", "--rcfile", "start", "-i"),
    "zsh": ("-i",),  # reads .zshrc in ZDOTDIR
    "fish": ("--no-config", "--init-command", "source start", "-i"),
}
RC = {  # asks for a prompt that can be waited for, the completion, and a key that writes the edited line into the pipe
    "bash": """
PS1='READY> '
bind 'set bell-style none'
bind -x '"\\C-g": printf %s "$READLINE_LINE" > line; READLINE_LINE='
eval "$(_MSCLI_COMPLETE=bash_source mscli)"
""",
    "zsh": """
PS1='READY> '
autoload -Uz compinit && compinit -u -D
line() { print -rn -- "$BUFFER" > line; BUFFER= }
zle -N line && bindkey '^G' line
eval "$(_MSCLI_COMPLETE=zsh_source mscli)"
""",
    "fish": """
function fish_prompt; echo 'READY> '; end
function fish_greeting; end
bind \\cg 'commandline > line; commandline ""'
_MSCLI_COMPLETE=fish_source mscli | source
""",
}


class Shell:
    """An interactive shell in a terminal of its own, in ``folder``."""

    def __init__(self, name: str, folder: Path, described: Path) -> None:
        self.folder = folder
        self.seen = b""
        os.mkfifo(folder / "line")
        self._line = os.open(folder / "line", os.O_RDONLY | os.O_NONBLOCK)
        self._terminal, inner = pty.openpty()
        self._process = subprocess.Popen(
            ["setsid", "--ctty", name, *START[name]],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            cwd=folder,
            env=_environment(name, folder, described),
        )
        os.close(inner)
        self._wait(lambda: b"READY> " in self.seen)

    def typed(self, keys: str) -> str:
        """The line as it stands after those keys; it is empty then."""
        os.write(self._terminal, keys.encode() + b"\a")
        self._sent = b""
        self._wait(self._line_is_sent)
        return self._sent.decode().rstrip("\n")

    def _line_is_sent(self) -> bool:
        """Whether the shell has written a line into the pipe and closed it."""
        try:
            part = os.read(self._line, 4096)
        except BlockingIOError:
            return False
        self._sent += part
        return bool(self._sent) and not part

    def _wait(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + TIMEOUT_S
        while not condition():
            assert time.monotonic() < end, f"the shell did not answer; it showed {self.seen!r}"
            if select.select([self._terminal], [], [], 0.01)[0]:
                self.seen += os.read(self._terminal, 4096)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)
        os.close(self._line)


def _environment(name: str, folder: Path, described: Path) -> dict[str, str]:
    (folder / {"zsh": ".zshrc"}.get(name, "start")).write_text(RC[name])
    program = folder / "bin/mscli"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m mscli "$@"\n')
    program.chmod(0o755)
    here = {"HOME": str(folder), "ZDOTDIR": str(folder), "PATH": f"{program.parent}:{os.environ['PATH']}", "TERM": "dumb"}
    return clean_environment() | here | {"MSCLI_FAKE_DEVICES": str(described), "LC_ALL": "C.UTF-8"}


@pytest.fixture(params=START)
def shell(request: pytest.FixtureRequest, tmp_path: Path, described: Path) -> Iterator[Shell]:
    require(request.param)
    shell = Shell(request.param, tmp_path, described)
    yield shell
    shell.close()


def words(line: str, folder: Path) -> list[str]:
    """What a shell that runs the line makes of it."""
    done = subprocess.run(["sh", "-c", f"printf '%s\\0' {line}"], cwd=folder, stdout=subprocess.PIPE, check=True)
    return done.stdout.decode().split("\0")[:-1]


BRIO, BUILT_IN = "Logitech BRIO, 4K $(touch owned)", "Integrated Camera: Integrated C"
TYPED = {  # keys → the words on the line then
    "mscli rec\t": ["mscli", "record"],
    "mscli record --micro\tHead\t": ["mscli", "record", "--microphone", "Headset microphone"],
    "mscli capabilities headset\t--js\t": ["mscli", "capabilities", "Headset microphone", "--json"],
    "mscli capabilities log\t": ["mscli", "capabilities", BRIO],
    "mscli capabilities brio\t": ["mscli", "capabilities", BRIO],
    "mscli snapshot --camera=Logi\t": ["mscli", "snapshot", f"--camera={BRIO}"],
    "mscli snapshot --camera Integrated\\ Camera:\t": ["mscli", "snapshot", "--camera", BUILT_IN],
    "mscli snapshot --camera 'Integrated Camera: I\t": ["mscli", "snapshot", "--camera", BUILT_IN],
    'mscli snapshot --camera "Logi\t': ["mscli", "snapshot", "--camera", BRIO],
    "mscli snapshot --camera brio --size 3\t": ["mscli", "snapshot", "--camera", "brio", "--size", "3840x2160"],
    "mscli snapshot -c facingM\tus\t": ["mscli", "snapshot", "-c", "facingMode=user"],
    "mscli snapshot -c wid\t640": ["mscli", "snapshot", "-c", "width=640"],
    "mscli record --constraints devi\t": ["mscli", "record", "--constraints", "devices.json"],
}


def test_tab_makes_whole_words_in_a_real_shell(shell: Shell) -> None:
    made = {keys: words(shell.typed(keys), shell.folder) for keys in TYPED}
    assert made == TYPED
    assert not (shell.folder / "owned").exists(), "a device's name was run as a command"
