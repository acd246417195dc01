"""What the kernel's lists name, in folders that stand for /sys, /proc and /run."""

from __future__ import annotations

from pathlib import Path

import pytest

from mscli.cli import overview

PCM = """\
00-00: ALC257 Analog : ALC257 Analog : playback 1 : capture 1
00-03: HDMI 0 : HDMI 0 : playback 1
01-00: USB Audio : USB Audio : capture 1
"""


@pytest.fixture(autouse=True)
def lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder with the lists, which are empty."""
    for name in ("CAMERAS", "UDEV", "SOUND"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(overview, name, str(tmp_path / name))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("PULSE_SERVER", raising=False)
    return tmp_path


def node(lists: Path, number: int, name: str, index: int, udev: str = "") -> None:
    """Add a video node. ``udev``: what udev knows of it."""
    folder = lists / "CAMERAS" / f"video{number}"
    folder.mkdir()
    for file, text in (("name", name), ("index", str(index)), ("dev", f"81:{number}")):
        (folder / file).write_text(f"{text}\n")
    if udev:
        (lists / "UDEV" / f"c81:{number}").write_text(f"E:ID_V4L_PRODUCT={name}\nE:ID_V4L_CAPABILITIES={udev}\n")


def test_empty_lists_name_nothing() -> None:
    assert (overview.cameras(), overview.microphones()) == ([], [])


def test_a_system_without_lists_has_nothing(lists: Path) -> None:
    for name in ("CAMERAS", "UDEV", "SOUND"):
        (lists / name).rmdir()
    assert (overview.cameras(), overview.microphones()) == ([], [])


def test_cameras_come_in_the_order_of_their_nodes_without_nodes_for_metadata(lists: Path) -> None:
    node(lists, 10, "Second", 0)
    node(lists, 2, "First", 0)
    node(lists, 3, "First", 1)
    assert overview.cameras() == ["First", "Second"]


def test_udev_knows_which_nodes_are_cameras(lists: Path) -> None:
    node(lists, 0, "Codec", 0, ":video_output:")
    node(lists, 1, "Camera", 0, ":capture:")
    node(lists, 2, "Camera", 1, ":")
    node(lists, 3, "Second lens", 1, ":capture:")
    assert overview.cameras() == ["Camera", "Second lens"]


def test_a_sound_card_that_captures_is_a_microphone(lists: Path) -> None:
    (lists / "SOUND" / "pcm").write_text(PCM)
    assert overview.microphones() == ["ALC257 Analog", "USB Audio"]


def test_without_a_sound_card_a_sound_server_stands_for_its_microphones(lists: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (lists / "pulse").mkdir()
    (lists / "pulse" / "native").touch()
    assert overview.microphones() == [overview.SOUND_SERVER]
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/nonexistent")
    assert overview.microphones() == []
    monkeypatch.setenv("PULSE_SERVER", "tcp:elsewhere")
    assert overview.microphones() == [overview.SOUND_SERVER]
