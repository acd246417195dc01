"""The screen on Wayland: what the portal is asked, what comes of its answers, and the pictures that PipeWire delivers."""

from __future__ import annotations

import builtins
import ctypes
import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import mscli
from mscli.core.clock import now_us
from mscli.core.errors import DOMException, NotAllowedError, NotFoundError, NotReadableError, NotSupportedError
from mscli.core.frames import VideoFrame
from mscli.core.limits import USUAL_TIMEOUTS
from mscli.sources import BACKENDS, find_source, system_backends
from mscli.sources.base import DISPLAY, USUAL_INPUT, InputOptions, Request
from mscli.sources.screen import pipewire, portal, wayland
from mscli.sources.screen.tokens import keep_token, kept_token
from mscli.sources.screen.wayland import WaylandBackend
from tests.backends.rig import TIMEOUT_S, Collector
from tests.untyped import untyped
from tests.waylands import (
    BGRA,
    BGRX,
    CANCELLED,
    EMBEDDED,
    FAILED,
    HIDDEN,
    METADATA,
    RGBA,
    RGBX,
    SILENT,
    SIZE,
    Desktop,
    FakePortal,
    desktop,
    wait_for,
)

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")

BLUE, RED, GREEN = 0x204060, 0xC02010, 0x10A030
RESTORED = InputOptions(restored=True)


class Viewer(Collector):
    """A receiver that waits for what it sees."""

    def wait_until(self, is_so: Callable[[], bool], what: str) -> None:
        """Wait until something is so. It fails if it never is."""
        with self._changed:
            assert self._changed.wait_for(is_so, TIMEOUT_S), f"never: {what}"

    def sees(self, pixel: int, at: tuple[int, int] = (0, 0)) -> VideoFrame:
        """Wait for a picture with that colour at a place, and return it."""
        self.wait_until(lambda: bool(self.frames) and pixel_at(self.frames[-1], *at) == pixel, f"{pixel:06x} at {at}")
        frame: VideoFrame = self.frames[-1]
        return frame


def pixel_at(frame: VideoFrame, x: int, y: int) -> int:
    """Return the colour at a place of a picture, or -1 outside of it."""
    if x >= frame.coded_width or y >= frame.coded_height:
        return -1
    start = y * frame.strides[0] + 4 * x
    return int.from_bytes(frame.planes[0][start : start + 3], "big" if frame.format == "RGBX" else "little")


@pytest.fixture(scope="module")
def started() -> Iterator[Desktop]:
    """A desktop for all tests that do not end it."""
    with desktop() as one:
        yield one


@pytest.fixture
def session(started: Desktop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desktop]:
    """The desktop, with a fresh portal and a fresh folder for the state of programs, as the session of this process."""
    for name, value in {**started.environment, "XDG_STATE_HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    started.portal.close()
    started.portal = started.new_portal()
    yield started
    started.portal.close()


@contextmanager
def viewed(address: str = "screen:", options: InputOptions = USUAL_INPUT, **asked: Any) -> Iterator[tuple[Viewer, Any]]:
    """Capture what is chosen for an address."""
    backend = WaylandBackend(address, options)
    try:
        source, viewer = opened(backend, **asked)
        try:
            yield viewer, source
        finally:
            source.stop()
    finally:
        backend.close()


def opened(backend: WaylandBackend, **asked: Any) -> tuple[Any, Viewer]:
    """Return an opened source that was started, and its receiver."""
    (device,) = backend.devices()
    mode = backend.abilities(device).modes[0]
    settings = {"width": mode.width, "height": mode.height, "frameRate": 100, **asked}
    source, viewer = backend.open(device, Request(settings, mode.pixel_format)), Viewer()
    source.start(viewer)
    return source, viewer


# Pictures


def test_pictures_come_with_their_own_times_and_without_a_dialogue_for_each(session: Desktop) -> None:
    with session.node() as node, viewed() as (viewer, source):
        assert source.settings.items() >= {"width": SIZE[0], "height": SIZE[1], "frameRate": 100}.items()
        time_us = node.draw(BLUE, late_us=5_000)
        assert viewer.sees(BLUE).timestamp == time_us
        node.draw(RED)
        viewer.sees(RED, (SIZE[0] - 1, SIZE[1] - 1))
        assert session.portal.dialogues == 1


@pytest.mark.parametrize("late_us", [3_600_000_000, -3_600_000_000])
def test_a_picture_with_an_impossible_time_gets_that_of_its_arrival(session: Desktop, late_us: int) -> None:
    with session.node() as node, viewed() as (viewer, _):
        time_us = node.draw(BLUE, late_us=late_us)
        assert abs(viewer.sees(BLUE).timestamp - (time_us + late_us)) < TIMEOUT_S * 1_000_000


@pytest.mark.parametrize(("offered", "ours"), [(BGRX, "BGRX"), (RGBX, "RGBX"), (BGRA, "BGRX"), (RGBA, "RGBX")])
def test_every_order_of_colours_is_read(session: Desktop, offered: int, ours: str) -> None:
    with session.node(formats=(offered,)) as node, viewed() as (viewer, _):
        node.draw(RED, pointer=(20, 20, GREEN))
        frame = viewer.sees(RED)
        assert (frame.format, pixel_at(frame, 20, 20)) == (ours, GREEN)


def test_the_part_of_a_picture_that_counts_is_the_picture(session: Desktop) -> None:
    with session.node() as node, viewed("window:") as (viewer, _):
        node.draw(RED, crop=(3, 5, 20, 10), pointer=(10, 10, GREEN))
        frame = viewer.sees(0xFFFFFF)
        assert (frame.coded_width, frame.coded_height) == (20, 10)
        assert {pixel_at(frame, x, y) for x in range(20) for y in range(10)} == {0xFFFFFF, GREEN}
        assert (pixel_at(frame, 6, 4), pixel_at(frame, 5, 4)) == (GREEN, 0xFFFFFF)


def test_a_new_size_is_followed(session: Desktop) -> None:
    with session.node() as node, viewed() as (viewer, _):
        node.draw(BLUE)
        viewer.sees(BLUE)
        node.resize(32, 20)
        node.redraw(RED, lambda: pixel_at(viewer.frames[-1], 0, 0) == RED, "the new picture")
        assert (viewer.frames[-1].coded_width, viewer.frames[-1].coded_height) == (32, 20)


def test_numbers_that_are_left_out_are_lost_pictures(session: Desktop) -> None:
    with session.node() as node, viewed() as (viewer, _):
        node.draw(BLUE)
        before = viewer.sees(BLUE)
        node.draw(RED, lost=3)
        after = viewer.sees(RED)
        assert viewer.lost == [3]
        repeated = len(viewer.frames) - 2
        assert after.sequence - before.sequence == 4 + repeated


def test_the_newest_picture_is_passed_on_when_it_is_due(session: Desktop, monkeypatch: pytest.MonkeyPatch) -> None:
    later_us = [0]
    monkeypatch.setattr(wayland, "now_us", lambda: now_us() + later_us[0])
    with session.node() as node, viewed(frameRate=0.001) as (viewer, source):
        node.draw(BLUE)
        viewer.sees(BLUE)
        node.draw(RED)
        node.draw(GREEN)
        wait_for(lambda: source._stream._sequence == 3, "the pictures come")
        later_us[0] = 1_000_000_000
        node.draw(0, empty=True)  # which lets the reader look at the time
        viewer.sees(GREEN)
        assert {pixel_at(frame, 0, 0) for frame in viewer.frames} <= {BLUE, GREEN}


def test_the_picture_of_a_still_screen_is_passed_on_again(session: Desktop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wayland, "STILL_US", 10_000)
    with session.node() as node, viewed() as (viewer, _):
        node.draw(BLUE)
        viewer.wait_for(frames=4)
        assert [frame.sequence for frame in viewer.frames[:4]] == [0, 1, 2, 3]
        times = [frame.timestamp for frame in viewer.frames]
        assert times == sorted(set(times))


def test_a_display_that_its_sender_pauses_is_muted(session: Desktop) -> None:
    with session.node() as node, viewed() as (viewer, _):
        node.draw(BLUE)
        viewer.sees(BLUE)
        node.pause()
        viewer.wait_until(lambda: viewer.mutes == [True], "muted")
        node.resume()
        viewer.wait_until(lambda: viewer.mutes == [True, False], "shown again")
        node.draw(RED)
        viewer.sees(RED)


def test_a_desktop_that_sends_no_picture_is_an_error(session: Desktop, monkeypatch: pytest.MonkeyPatch) -> None:
    with session.node():
        backend = WaylandBackend("screen:")
        monkeypatch.setattr(wayland, "USUAL_TIMEOUTS", USUAL_TIMEOUTS._replace(first_s=0.05))
        source, viewer = opened(backend)
        viewer.wait_for(ends=1)
        source.stop()
        backend.close()
        assert "sends no picture" in str(viewer.ends[0])


# The pointer


def test_the_pointer_is_drawn_where_it_is_and_can_be_left_out_at_any_time(session: Desktop) -> None:
    with session.node() as node, viewed(cursor="always") as (viewer, source):
        node.draw(BLUE, pointer=(20, 10, RED))
        frame = viewer.sees(RED, (20, 10))
        assert [pixel_at(frame, *at) for at in ((19, 9), (22, 12), (18, 9), (23, 12))] == [RED, RED, BLUE, BLUE]
        node.draw(0, pointer=(40, 30), empty=True)  # it moves over a picture that stays
        frame = viewer.sees(RED, (40, 30))
        assert pixel_at(frame, 20, 10) == BLUE
        assert source.set({"cursor": "never"}) == {"cursor": "never"}
        node.draw(GREEN, pointer=(40, 30))
        assert pixel_at(viewer.sees(GREEN), 40, 30) == GREEN


def test_a_pointer_in_motion_is_shown_until_it_rests(session: Desktop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wayland, "POINTER_SHOWN_US", 3_600_000_000)
    with session.node() as node, viewed(cursor="motion") as (viewer, _):
        node.draw(BLUE, pointer=(20, 10, RED))
        assert pixel_at(viewer.sees(BLUE), 20, 10) == BLUE
        node.draw(0, pointer=(40, 30), empty=True)
        viewer.sees(RED, (40, 30))
        monkeypatch.setattr(wayland, "POINTER_SHOWN_US", 1_000)
        node.draw(0, pointer=(41, 30), empty=True)
        viewer.sees(BLUE, (40, 30))


@pytest.mark.parametrize(
    ("modes", "values", "asked"),
    [
        (HIDDEN | EMBEDDED | METADATA, ("always", "motion", "never"), METADATA),
        (METADATA, ("always", "motion", "never"), METADATA),
        (HIDDEN | EMBEDDED, ("always", "never"), EMBEDDED),
        (EMBEDDED, ("always",), EMBEDDED),
        (HIDDEN, ("never",), HIDDEN),
    ],
)
def test_the_pointer_can_be_shown_as_the_desktop_can(session: Desktop, modes: int, values: Any, asked: int) -> None:
    session.portal.facts["AvailableCursorModes"] = modes
    with session.node():
        backend = WaylandBackend("screen:")
        (device,) = backend.devices()
        assert backend.abilities(device).controls["cursor"].values == values
        assert session.portal.asked[0]["cursor_mode"] == asked
        backend.close()


def test_a_desktop_that_draws_the_pointer_is_asked_for_a_picture_without_it_by_the_token(session: Desktop) -> None:
    session.portal.facts["AvailableCursorModes"] = HIDDEN | EMBEDDED
    with session.node() as node, viewed(cursor="never") as (viewer, source):
        node.draw(BLUE)
        viewer.sees(BLUE)
        assert [asked["cursor_mode"] for asked in session.portal.asked] == [EMBEDDED, HIDDEN]
        assert session.portal.dialogues == 1
        assert source.set({"cursor": "always"}) == {"cursor": "never"}


# The choice


@pytest.mark.parametrize(("address", "types"), [("screen:", 1), ("screen:left", 1), ("window:", 2), ("window:mail", 2)])
def test_an_address_says_what_is_offered(session: Desktop, address: str, types: int) -> None:
    with session.node():
        backend = WaylandBackend(address)
        (device,) = backend.devices()
        assert session.portal.asked[0]["types"] == types
        assert device.surface is not None
        assert device.surface.kind == ("monitor" if types == 1 else "window")
        assert backend.abilities(device).values["displaySurface"] == (device.surface.kind,)
        backend.close()


def test_what_was_chosen_is_restored_if_that_is_allowed_and_each_token_is_used_once(session: Desktop) -> None:
    with session.node():
        for _ in range(3):
            WaylandBackend("screen:", RESTORED).close()
        assert session.portal.dialogues == 1
        assert [asked.get("restore_token") for asked in session.portal.asked] == [None, "token1", "token2"]
        assert {asked["persist_mode"] for asked in session.portal.asked} == {2}
        assert kept_token("screen:") == "token3"
        WaylandBackend("screen:left", RESTORED).close()  # another choice
        assert session.portal.dialogues == 2
        WaylandBackend("screen:").close()
        assert session.portal.dialogues == 3
        assert session.portal.asked[-1]["persist_mode"] == 1


def test_a_token_that_no_longer_holds_is_forgotten(session: Desktop) -> None:
    keep_token("screen:", "stale")
    with session.node():
        WaylandBackend("screen:", RESTORED).close()
        assert (session.portal.dialogues, kept_token("screen:")) == (1, "token1")


def test_a_portal_without_tokens_is_asked_without_them(session: Desktop) -> None:
    session.portal.facts["version"] = 3
    with session.node():
        WaylandBackend("screen:", RESTORED).close()
        assert session.portal.asked == [{"types": 1, "cursor_mode": METADATA}]


def test_tokens_are_kept_for_their_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "new"))
    keep_token("screen:", "a")
    keep_token("window:", "b")
    keep_token("screen:", "")
    file = tmp_path / "new/mscli/screens.json"
    assert (json.loads(file.read_text()), stat.S_IMODE(file.stat().st_mode)) == ({"window:": "b"}, 0o600)
    file.write_text("[broken")
    assert kept_token("window:") == ""
    keep_token("window:", "c")
    assert (kept_token("window:"), os.listdir(file.parent)) == ("c", ["screens.json"])


def test_tokens_come_from_no_pipe_and_go_into_no_folder_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder, file = tmp_path / "mscli", tmp_path / "mscli/screens.json"
    folder.mkdir(0o700)
    os.mkfifo(file)
    assert kept_token("screen:") == ""
    file.unlink()
    file.symlink_to(tmp_path / "dotfiles.json")
    keep_token("screen:", "a")
    assert (file.is_symlink(), json.loads((tmp_path / "dotfiles.json").read_text())) == (True, {"screen:": "a"})
    folder.chmod(0o777)
    file.unlink()
    keep_token("screen:", "b")
    assert (os.listdir(folder), kept_token("screen:")) == ([], "")


def test_without_a_place_for_tokens_the_choice_holds_for_this_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    keep_token("screen:", "a")
    assert kept_token("screen:") == ""


# The session


def test_a_display_that_is_opened_again_keeps_its_session(session: Desktop) -> None:
    with session.node() as node:
        backend = WaylandBackend("screen:")
        for pixel in (BLUE, RED):
            source, viewer = opened(backend)
            node.draw(pixel)
            viewer.sees(pixel)
            source.stop()
        assert len(session.portal.asked) == 1
        backend.close()
        session.portal.wait_until(lambda: not session.portal.sessions, "the session ends")


def test_a_session_that_nobody_uses_ends_and_is_restored(session: Desktop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portal, "SESSION_KEPT_S", 0.01)
    with session.node() as node:
        backend = WaylandBackend("screen:")
        source, _ = opened(backend)
        source.stop()
        session.portal.wait_until(lambda: not session.portal.sessions, "the session ends")
        source, viewer = opened(backend)
        node.draw(BLUE)
        viewer.sees(BLUE)
        source.stop()
        backend.close()
        assert session.portal.dialogues == 1
        assert session.portal.asked[1]["restore_token"] == "token1"


def test_the_user_can_stop_a_capture_which_is_no_failure(session: Desktop) -> None:
    with session.node() as node, viewed() as (viewer, _):
        node.draw(BLUE)
        viewer.sees(BLUE)
        session.portal.stop_sharing()
        viewer.wait_for(ends=1)
        assert viewer.ends == [None]


def test_what_the_user_has_stopped_is_not_restored(session: Desktop) -> None:
    with session.node():
        backend = WaylandBackend("screen:")
        source, viewer = opened(backend)
        session.portal.stop_sharing()
        viewer.wait_for(ends=1)
        source.stop()
        with pytest.raises(NotAllowedError, match="would have to ask again"):
            opened(backend)
        backend.close()
    assert len(session.portal.asked) == 1


def test_the_user_can_stop_a_capture_also_if_the_stream_ends_first(session: Desktop) -> None:
    with session.node() as node, viewed() as (viewer, _):
        node.draw(BLUE)
        viewer.sees(BLUE)
        node.close()
        session.portal.stop_sharing()
        viewer.wait_for(ends=1)
        assert viewer.ends == [None]


def test_a_stream_that_breaks_off_is_restored_once_without_a_dialogue(
    session: Desktop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wayland, "RESTORED_S", 0.2)
    monkeypatch.setattr(wayland, "PORTAL_TELLS_S", 0.01)
    with session.node() as node:
        backend = WaylandBackend("screen:")
        source, viewer = opened(backend)
        node.draw(BLUE)
        viewer.sees(BLUE)
    viewer.wait_for(ends=1)
    source.stop()
    assert isinstance(viewer.ends[0], NotReadableError)
    with session.node() as node:
        source, viewer = opened(backend)
        node.draw(RED)
        viewer.sees(RED)
        assert (session.portal.dialogues, len(session.portal.asked)) == (1, 2)
        session.portal.tokens.clear()
        session.portal.answer = SILENT
    viewer.wait_for(ends=1)
    source.stop()
    with pytest.raises(NotAllowedError):
        opened(backend)
    session.portal.wait_until(lambda: session.portal.open_dialogues == 0, "the dialogue is closed")
    assert (session.portal.dialogues, len(session.portal.asked)) == (2, 3)
    with pytest.raises(NotAllowedError, match="would have to ask again"):
        opened(backend)
    assert len(session.portal.asked) == 3
    backend.close()


def test_the_end_of_the_portal_is_an_error(session: Desktop) -> None:
    with session.node() as node, viewed() as (viewer, _):
        node.draw(BLUE)
        viewer.sees(BLUE)
        session.portal.close()
        viewer.wait_for(ends=1)
        assert "portal of the desktop is gone" in str(viewer.ends[0])


def test_the_end_of_pipewire_is_an_error(session: Desktop, monkeypatch: pytest.MonkeyPatch) -> None:
    with desktop() as other, other.node() as node:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", other.bus)
        with viewed() as (viewer, _):
            node.draw(BLUE)
            viewer.sees(BLUE)
            other.pipewire.kill()
            viewer.wait_for(ends=1)
            assert "PipeWire has ended screen:" in str(viewer.ends[0])


def test_a_display_is_captured_once_at_a_time(session: Desktop) -> None:
    with session.node():
        backend = WaylandBackend("screen:")
        source, _ = opened(backend)
        with pytest.raises(NotReadableError, match="captured already"):
            opened(backend)
        source.stop()
        backend.close()


def test_nothing_is_left_of_a_capture(session: Desktop) -> None:
    def capture(times: int) -> None:
        with session.node(first=BLUE):
            for _ in range(times):
                with viewed() as (viewer, _):
                    viewer.sees(BLUE)

    capture(1)
    before = held()
    capture(50)
    wait_for(lambda: all(now <= then for now, then in zip(held(), before, strict=True)), "nothing is left")


def held() -> tuple[int, int]:
    """Return the numbers of descriptors and of threads. One that is just ending counts."""
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


# Refusals


@pytest.mark.parametrize(("answer", "error"), [(CANCELLED, NotAllowedError), (FAILED, NotReadableError)])
def test_a_dialogue_that_is_refused_is_an_error(session: Desktop, answer: int, error: type[DOMException]) -> None:
    session.portal.answer = answer
    with pytest.raises(error):
        WaylandBackend("screen:")
    session.portal.wait_until(lambda: not session.portal.sessions, "the session ends")


def test_a_dialogue_that_nobody_answers_is_closed(session: Desktop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wayland, "DIALOGUE_S", 0.05)
    session.portal.answer = SILENT
    with pytest.raises(NotAllowedError, match=r"nobody has answered the dialogue of the desktop within 0\.05 s"):
        WaylandBackend("screen:")
    session.portal.wait_until(lambda: session.portal.dialogues == 1 and session.portal.open_dialogues == 0, "it is closed")


@pytest.mark.parametrize(
    ("name", "error", "remedy"),
    [
        ("org.freedesktop.DBus.Error.UnknownMethod", NotFoundError, "install xdg-desktop-portal"),
        ("org.freedesktop.DBus.Error.InvalidArgs", NotFoundError, "install xdg-desktop-portal"),
        ("org.freedesktop.DBus.Error.AccessDenied", NotAllowedError, ""),
        ("org.freedesktop.portal.Error.NotAllowed", NotAllowedError, ""),
        ("org.freedesktop.DBus.Error.Failed", NotReadableError, ""),
    ],
)
def test_an_error_of_the_portal_has_its_name_and_its_remedy(
    session: Desktop, name: str, error: type[DOMException], remedy: str
) -> None:
    session.portal.error = name
    with pytest.raises(error) as refused:
        WaylandBackend("screen:")
    assert remedy in " ".join(refused.value.hints)
    assert "the test says so" in refused.value.message


def test_a_desktop_without_a_portal_is_named_with_the_remedy(session: Desktop) -> None:
    session.portal.close()
    with pytest.raises(NotFoundError, match="has no portal") as missing:
        WaylandBackend("screen:")
    assert "install xdg-desktop-portal" in missing.value.hints[0]


def test_a_portal_that_offers_no_windows_says_so(session: Desktop) -> None:
    session.portal.facts["AvailableSourceTypes"] = 1
    with pytest.raises(NotFoundError, match="offers no windows"):
        WaylandBackend("window:")


@pytest.mark.parametrize("address", ["", "unix:path=/nowhere/bus", "nonsense", "unix:path={file}"])
def test_without_a_session_bus_nobody_can_be_asked(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address.format(file=tmp_path / "file"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(NotFoundError, match="no session bus"):
        WaylandBackend("screen:")


def test_the_usual_place_of_the_session_bus_is_tried(session: Desktop, monkeypatch: pytest.MonkeyPatch) -> None:
    socket = session.bus.partition("path=")[2].partition(",")[0]
    os.symlink(socket, session.folder / "bus")
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS")
    with session.node():
        WaylandBackend("screen:").close()
    os.unlink(session.folder / "bus")


def test_a_portal_that_hangs_is_an_error_in_time(session: Desktop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portal, "PORTAL_S", 0.05)
    monkeypatch.setattr(FakePortal, "_request", lambda *_: True)
    with pytest.raises(NotReadableError, match=r"does not answer within 0\.05 s"):
        WaylandBackend("screen:")


def test_pictures_in_the_memory_of_a_graphics_card_are_refused(session: Desktop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wayland, "USUAL_TIMEOUTS", USUAL_TIMEOUTS._replace(first_s=0.3))
    with (
        session.node(modifier=True),
        pytest.raises(NotReadableError, match="no pictures of screen: that can be read") as refused,
    ):
        WaylandBackend("screen:")
    assert "DMA-BUF" in refused.value.hints[0]


def test_a_node_that_is_gone_is_an_error(session: Desktop) -> None:
    with session.node():
        pass
    with pytest.raises(NotReadableError, match="PipeWire"):
        WaylandBackend("screen:")


def test_what_is_not_installed_is_named(session: Desktop, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> Any:
        raise OSError("libpipewire-0.3.so.0: cannot open shared object file")

    with monkeypatch.context() as without:
        pipewire.libpipewire.cache_clear()
        without.setattr(ctypes, "CDLL", refuse)
        with pytest.raises(NotSupportedError, match="needs libpipewire") as refused:
            WaylandBackend("screen:")
        assert "libpipewire-0.3-0" in refused.value.hints[0]
        assert session.portal.dialogues == 0
    loading = builtins.__import__

    def without_dbus(name: str, *more: Any) -> Any:
        if name.startswith("dbus_fast") and threading.current_thread() is threading.main_thread():
            raise ImportError(name)
        return loading(name, *more)

    monkeypatch.setattr(builtins, "__import__", without_dbus)
    with pytest.raises(NotSupportedError, match="needs dbus-fast") as refused:
        WaylandBackend("screen:")
    assert "mscli[screen]" in refused.value.hints[0]


def test_a_region_cannot_be_captured(session: Desktop) -> None:
    with pytest.raises(NotSupportedError, match="regions"):
        WaylandBackend("region:10x10+0+0")


# The library


def test_the_window_system_decides_which_backend_serves_displays(monkeypatch: pytest.MonkeyPatch) -> None:
    for display, name in (("wayland-0", "wayland"), ("", "screen")):
        monkeypatch.setenv("WAYLAND_DISPLAY", display)
        assert find_source("screen:") is BACKENDS[name]
        assert find_source("window:x") is BACKENDS[name]
        assert [one for one in system_backends("linux") if BACKENDS[one].kinds == (DISPLAY,)] == [name]
    assert [one for one in system_backends("darwin") if BACKENDS[one].kinds == (DISPLAY,)] == ["avfoundation"]
    assert [one for one in system_backends("win32") if BACKENDS[one].kinds == (DISPLAY,)] == ["gdigrab"]


def test_displays_cannot_be_listed_which_is_said(session: Desktop) -> None:
    with mscli.MediaDevices() as devices:
        assert devices.enumerate_displays() == []
        assert "only the user sees the displays" in devices.problems([DISPLAY])[0]


def display_track(devices: mscli.MediaDevices, options: Any = None, **more: Any) -> mscli.MediaStreamTrack:
    """Return the track of a display."""
    (track,) = devices.get_display_media(untyped(options), **more).get_video_tracks()
    return track


def test_each_call_without_a_surface_asks_the_user_anew_whatever_was_chosen_before(session: Desktop) -> None:
    keep_token("screen:", "token0")
    session.portal.tokens.add("token0")
    with session.node(first=BLUE) as first, mscli.MediaDevices() as devices:
        one = display_track(devices)
        with session.node((32, 20), first=RED) as second:
            session.portal.kind = 2
            other = display_track(devices, {"video": {"displaySurface": "monitor", "width": 16}})
            assert session.portal.dialogues == 2
            assert [asked["types"] for asked in session.portal.asked] == [3, 3]
            assert not any("restore_token" in asked for asked in session.portal.asked)
            settings = [track.get_settings() for track in (one, other)]
            assert [(each["width"], each["height"], each["displaySurface"]) for each in settings] == [
                (*SIZE, "monitor"), (16, 10, "window"),
            ]  # fmt: skip
            assert first.number != second.number
    assert kept_token("screen:") == "token0"


def test_windows_alone_are_offered_if_monitors_are_excluded(session: Desktop) -> None:
    with session.node(first=BLUE), mscli.MediaDevices() as devices:
        display_track(devices, {"monitorTypeSurfaces": "exclude"})
        assert session.portal.asked[0]["types"] == 2


def test_a_named_surface_is_chosen_once_for_all_tracks(session: Desktop) -> None:
    with session.node(first=BLUE), mscli.MediaDevices() as devices:
        tracks = [display_track(devices, {"video": {"width": width}}, surface="screen:") for width in (64, 32)]
        assert session.portal.dialogues == 1
        assert [track.get_settings()["width"] for track in tracks] == [64, 32]


@pytest.mark.parametrize(
    ("video", "error"),
    [
        (False, TypeError),
        ({"width": {"min": 10}}, TypeError),
        ({"frameRate": {"exact": 10}}, TypeError),
        ({"advanced": [{"width": 10}]}, TypeError),
    ],
)
def test_what_must_not_be_required_is_refused_before_the_user_is_asked(session: Desktop, video: Any, error: Any) -> None:
    with mscli.MediaDevices() as devices, pytest.raises(error):
        devices.get_display_media(untyped({"video": video}))
    assert session.portal.dialogues == 0


def test_a_maximum_below_everything_is_overconstrained_after_the_choice(session: Desktop) -> None:
    with session.node(first=BLUE), mscli.MediaDevices() as devices, pytest.raises(mscli.OverconstrainedError):
        devices.get_display_media(untyped({"video": {"width": {"max": 0}}}))


def test_a_display_is_scaled_but_never_cropped(session: Desktop) -> None:
    with session.node(first=BLUE), mscli.MediaDevices() as devices:
        track = display_track(devices, {"video": {"width": 40, "height": 40, "resizeMode": "crop-and-scale"}})
        settings = track.get_settings()
        assert settings["width"] / settings["height"] == pytest.approx(SIZE[0] / SIZE[1], rel=0.05)


def test_refusing_is_not_allowed_in_the_library_too(session: Desktop) -> None:
    session.portal.answer = CANCELLED
    with mscli.MediaDevices() as devices, pytest.raises(mscli.NotAllowedError):
        devices.get_display_media()


def test_a_track_follows_the_size_with_an_event_and_ends_with_the_sharing(session: Desktop) -> None:
    changed, ended = threading.Event(), threading.Event()
    with session.node(first=BLUE) as node, mscli.MediaDevices() as devices:
        track = display_track(devices)
        track.add_event_listener("configurationchange", lambda _: changed.set())
        track.add_event_listener("ended", lambda _: ended.set())
        node.wait_for_reader()
        node.resize(32, 20)
        node.redraw(RED, changed.is_set, "the event")
        assert (track.get_settings()["width"], track.get_settings()["height"]) == (32, 20)
        session.portal.stop_sharing()
        assert ended.wait(TIMEOUT_S)


def test_another_rate_does_not_ask_again(session: Desktop) -> None:
    with session.node(first=BLUE), mscli.MediaDevices() as devices:
        track = display_track(devices, {"video": {"frameRate": 10}})
        track.apply_constraints({"frameRate": {"exact": 50}})
        assert track.get_settings()["frameRate"] == 50
        assert len(session.portal.asked) == 1
