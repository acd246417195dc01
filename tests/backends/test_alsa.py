"""Sound cards in the kernel's lists, read from the test's own /proc/asound."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mscli.core.errors import NotAllowedError
from mscli.sources.sound import alsa

CARDS = """\
 0 [PCH            ]: HDA-Intel - HDA Intel PCH
                      HDA Intel PCH at 0xb1218000 irq 129
 1 [Webcam         ]: USB-Audio - Test webcam
                      mscli tests Test webcam at usb-vhci_hcd.0-1, high speed
"""
PCMS = """\
00-00: ALC257 Analog : ALC257 Analog : playback 1 : capture 1
01-00: USB Audio : USB Audio : capture 1
"""
CLOSED = "closed\n"


def running(pid: int) -> str:
    """Return the kernel's status of a substream from which a process records."""
    return f"state: RUNNING\nowner_pid   : {pid}\ntrigger_time: 5.1\n"


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create the folder, with two cards. The second one only records."""
    monkeypatch.setattr(alsa, "ROOT", str(tmp_path))
    (tmp_path / "cards").write_text(CARDS)
    (tmp_path / "pcm").write_text(PCMS)
    for device in ("card0/pcm0c", "card0/pcm0p", "card1/pcm0c"):
        (tmp_path / device / "sub0").mkdir(parents=True)
        (tmp_path / device / "sub0/status").write_text(CLOSED)
    return tmp_path


@pytest.fixture
def other() -> Iterator[int]:
    """Start another process. Return its pid."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"!")
        process.stdin.flush()
        process.stdout.read(1)  # the process runs its own program by now
        yield process.pid
        process.kill()


def test_a_card_that_is_gone_is_noticed_by_its_files_and_what_is_no_hardware_stays(proc: Path) -> None:
    there = ("hw:0,0", "input"), ("hw:0,0", "output"), ("hw:1,0", "input"), ("default", "input")
    assert [alsa.removed(*one) for one in there] == [False] * 4
    assert alsa.removed("hw:1,0", "output")
    shutil.rmtree(proc / "card1")
    assert alsa.removed("hw:1,0", "input")


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create the test's own /dev/snd."""
    monkeypatch.setattr(alsa, "NODES", str(tmp_path))
    for name in ("pcmC0D0c", "pcmC0D0p", "pcmC1D0c", "controlC1", "timer"):
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.usefixtures("proc")
def test_the_hardware_behind_a_plug_in_is_what_was_opened_for_it(nodes: Path) -> None:
    with ExitStack() as files:

        def take(*names: str) -> None:
            for name in names:
                files.enter_context(open(nodes / name))

        take("pcmC0D0c")
        with alsa.opened("input") as other:
            take("pcmC0D0p", "pcmC1D0c", "controlC1", "timer")
        with alsa.opened("input") as same:
            take("pcmC0D0c")
        with alsa.opened("input") as nothing:
            take("pcmC0D0p")
        assert (other, same, nothing) == (["hw:1,0"], ["hw:0,0"], [])


def test_where_the_kernels_lists_are_hidden_nothing_is_taken_to_be_gone(nodes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alsa, "ROOT", str(nodes / "hidden"))
    with ExitStack() as files:
        with alsa.opened("input") as hidden:
            files.enter_context(open(nodes / "pcmC0D0c"))
        assert hidden == []


def test_devices_are_listed_by_direction_and_named_as_portaudio_does(proc: Path) -> None:
    assert [(pcm.address, pcm.label) for pcm in alsa.pcms("input")] == [
        ("hw:0,0", "HDA Intel PCH: ALC257 Analog (hw:0,0)"),
        ("hw:1,0", "Test webcam: USB Audio (hw:1,0)"),
    ]
    assert [pcm.node for pcm in alsa.pcms("output")] == ["/dev/snd/pcmC0D0p"]


def test_a_device_is_also_known_by_its_files(proc: Path) -> None:
    assert alsa.pcms("input")[1].names == ("/dev/snd/pcmC1D0c", "/dev/snd/controlC1")


def test_who_records_is_named(proc: Path, other: int) -> None:
    (proc / "card1/pcm0c/sub0/status").write_text(running(other))
    error = alsa.in_use("Desk", "hw:1,0", "input")
    assert error is not None
    assert error.message == f"“Desk” is in use by cat (pid {other})"
    assert error.hints


def test_a_device_with_a_free_part_is_not_in_use(proc: Path, other: int) -> None:
    (proc / "card1/pcm0c/sub0/status").write_text(running(other))
    (proc / "card1/pcm0c/sub1").mkdir()
    (proc / "card1/pcm0c/sub1/status").write_text(CLOSED)
    assert alsa.in_use("Desk", "hw:1,0", "input") is None


@pytest.mark.parametrize("address", ["hw:0,0", "hw:7,0", "default", ""])
def test_what_nobody_uses_or_is_no_hardware_is_not_in_use(proc: Path, address: str) -> None:
    assert alsa.in_use("Desk", address, "input") is None


def test_a_device_that_may_not_be_opened_says_so(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alsa.Pcm, "node", property(lambda _: str(proc / "closed")))
    (proc / "closed").touch()
    monkeypatch.setattr(os, "access", lambda *_: False)
    error = alsa.pcms("input")[0].trouble()
    assert isinstance(error, NotAllowedError)
    assert error.hints


def test_a_machine_without_cards_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alsa, "ROOT", str(tmp_path))
    assert alsa.pcms("input") == []
    assert alsa.listing() == ""
