"""The screen: pictures of monitors, windows and regions of a real X server, what happens to them, and how they are named."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count, pairwise
from math import ceil
from pathlib import Path
from threading import Event
from time import monotonic, sleep
from types import SimpleNamespace
from typing import Any

import pytest
import Xlib.display
from Xlib.error import BadValue, DisplayConnectionError
from Xlib.ext import randr

import mscli
from mscli.core.clock import MICROSECONDS
from mscli.core.errors import DOMException, NotAllowedError, NotFoundError, NotReadableError, NotSupportedError
from mscli.core.frames import VideoFrame
from mscli.sources.base import DISPLAY, Request
from mscli.sources.displays import region_of
from mscli.sources.screen import stream, xserver
from mscli.sources.screen.backend import ScreenBackend
from mscli.sources.screen.pixels import MOST, SegmentPool, SharedMemory
from mscli.sources.screen.pointer import PointerShape, draw_pointer
from tests.backends.rig import TIMEOUT_S, Collector
from tests.conftest import require
from tests.screens import GREEN, GROUND, RED, SIZE, Colour, Screen, colour, screen
from tests.untyped import untyped

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")

QUICK = 100.0  # pictures per second, so that tests need not wait


class Viewer(Collector):
    """A receiver that waits for what it sees."""

    def wait_until(self, is_so: Callable[[], bool], what: str) -> None:
        """Wait until something is so. It fails if it never is."""
        with self._changed:
            assert self._changed.wait_for(is_so, TIMEOUT_S), f"never: {what}"

    def sees(self, pixel: int, at: tuple[int, int] = (10, 10)) -> None:
        """Wait for a picture with that colour at a place."""
        wanted = colour(pixel)
        self.wait_until(lambda: bool(self.frames) and pixel_at(self.frames[-1], *at) == wanted, f"{wanted} at {at}")

    @property
    def size(self) -> tuple[int, int]:
        """Return the width and height of the last picture."""
        return (self.frames[-1].coded_width, self.frames[-1].coded_height) if self.frames else (0, 0)


def pixel_at(frame: VideoFrame, x: int, y: int) -> Colour:
    """Return the colour at a place of a picture, or black outside of it."""
    at = y * frame.strides[0] + 4 * x
    blue, green, red = frame.planes[0][at : at + 3] if x < frame.coded_width and y < frame.coded_height else (0, 0, 0)
    return red, green, blue


@pytest.fixture
def server() -> Iterator[Screen]:
    """An X server for one test."""
    with screen() as started:
        yield started


@contextmanager
def viewed(server: Screen, address: str, *, cursor: str = "never", rate: float = QUICK) -> Iterator[tuple[Viewer, Any]]:
    """Capture what is at an address."""
    backend = ScreenBackend(address, display=server.name)
    (device,) = backend.devices()
    mode = backend.abilities(device).modes[0]
    settings: dict[str, Any] = {"width": mode.width, "height": mode.height, "frameRate": rate, "cursor": cursor}
    source, viewer = backend.open(device, Request(settings, mode.pixel_format)), Viewer()
    source.start(viewer)
    try:
        yield viewer, source
    finally:
        source.stop()
        backend.close()


# What is seen


def test_a_monitor_shows_all_that_is_drawn_on_it(server: Screen) -> None:
    with viewed(server, "screen:") as (viewer, _):
        viewer.sees(GROUND)
        assert viewer.size == SIZE
        server.window("Red", RED, (100, 50, 60, 40))
        viewer.sees(RED, (100, 50))
        viewer.sees(RED, (159, 89))
        assert [pixel_at(viewer.frames[-1], *at) for at in ((99, 50), (160, 89), (159, 90))] == [colour(GROUND)] * 3


def test_a_region_is_a_part_of_the_screen_to_the_pixel(server: Screen) -> None:
    server.window("Red", RED, (101, 51, 33, 17))
    with viewed(server, "region:35x19+100+50") as (viewer, _):
        viewer.sees(RED, (1, 1))
        assert viewer.size == (35, 19)
        (frame,) = viewer.frames[-1:]
        inside = {pixel_at(frame, x, y) for x in range(1, 34) for y in range(1, 18)}
        edge = {pixel_at(frame, x, y) for x in range(35) for y in (0, 18)} | {
            pixel_at(frame, x, y) for x in (0, 34) for y in range(19)
        }
        assert (inside, edge) == ({colour(RED)}, {colour(GROUND)})


@pytest.mark.parametrize("border", [0, 3])
def test_a_window_is_seen_where_it_is_covered_and_off_the_screen(server: Screen, border: int) -> None:
    window = server.window("Red", RED, (20, 20, 80, 60), border=border)
    with viewed(server, "window:red") as (viewer, _):
        viewer.sees(RED)
        assert viewer.size == (80, 60)
        server.window("Cover", GREEN, (0, 0, *SIZE))
        window.paint(GROUND)
        viewer.sees(GROUND, (0, 0))
        viewer.sees(GROUND, (79, 59))
        window.change(x=SIZE[0] - 10)
        window.paint(RED)
        viewer.sees(RED, (0, 0))
        viewer.sees(RED, (79, 59))


def test_a_window_that_changes_its_size_is_followed(server: Screen) -> None:
    window = server.window("Red", RED, (20, 20, 80, 60))
    with viewed(server, "window:red") as (viewer, _):
        viewer.sees(RED)
        for size in ((120, 90), (40, 30)):
            window.change(width=size[0], height=size[1])
            viewer.wait_until(lambda size=size: viewer.size == size, f"a size of {size}")  # type: ignore[misc]
            viewer.sees(RED, (size[0] - 1, size[1] - 1))


def test_a_screen_that_changes_its_size_is_followed_and_a_region_off_it_is_mute() -> None:
    with (
        screen((1024, 768)) as server,
        viewed(server, "screen:") as (whole, _),
        viewed(server, "region:9x9+900+9") as (part, _),
    ):
        whole.wait_until(lambda: whole.size == (1024, 768), "the first picture")
        part.sees(GROUND, (8, 8))
        server.resize(640, 480)
        whole.wait_until(lambda: whole.size == (640, 480), "the new size")
        part.wait_until(lambda: part.mutes[-1:] == [True], "muted")
        server.resize(1000, 700)
        part.wait_until(lambda: part.mutes[-1:] == [False], "shown again")


def test_a_minimised_window_is_mute_until_it_is_shown_again(server: Screen) -> None:
    window = server.window("Red", RED, (20, 20, 80, 60))
    with viewed(server, "window:red") as (viewer, _):
        viewer.sees(RED)
        window.hide()
        viewer.wait_until(lambda: viewer.mutes[-1:] == [True], "muted")
        window.show()
        viewer.wait_until(lambda: viewer.mutes[-1:] == [False], "shown again")
        assert viewer.ends == []


def test_a_window_whose_title_changes_is_opened_again(server: Screen) -> None:
    window = server.window("Red", RED, (20, 20, 80, 60))
    backend = ScreenBackend("window:red", display=server.name)
    (device,) = backend.devices()
    for title in ("Red", "Other"):
        window.name(title)
        source, viewer = backend.open(device, Request({"width": 80, "height": 60, "frameRate": QUICK})), Viewer()
        source.start(viewer)
        viewer.sees(RED)
        source.stop()


def test_a_minimised_window_is_not_opened(server: Screen) -> None:
    window = server.window("Red", RED, (20, 20, 80, 60))
    backend = ScreenBackend("window:red", display=server.name)
    window.hide()
    with pytest.raises(NotReadableError, match="not shown") as refused:
        backend.open(backend.devices()[0], Request({"width": 80, "height": 60, "frameRate": 30.0}))
    assert "restore" in refused.value.hints[0]


@pytest.mark.parametrize("cursor", ["always", "never"])
def test_a_window_that_is_closed_ends_its_track(server: Screen, cursor: str) -> None:
    window = server.window("Red", RED, (20, 20, 80, 60))
    with viewed(server, "window:red", cursor=cursor) as (viewer, _):
        viewer.sees(RED)
        window.close()
        viewer.wait_for(ends=1)
    assert "“Red” was closed" in str(viewer.ends[0])


@pytest.mark.parametrize("cursor", ["always", "never"])
def test_the_end_of_the_server_ends_the_track_with_and_without_the_pointer(server: Screen, cursor: str) -> None:
    with viewed(server, "screen:", cursor=cursor) as (viewer, _):
        viewer.sees(GROUND)
        server.kill()
        viewer.wait_for(ends=1)
    assert f"the X server at {server.name} is gone" in str(viewer.ends[0])


def test_a_server_that_stands_still_mutes_the_track(server: Screen) -> None:
    with viewed(server, "screen:", cursor="always") as (viewer, _):
        viewer.sees(GROUND)
        server.stop()
        viewer.wait_until(lambda: viewer.mutes[-1:] == [True], "muted")
        server.resume()
        viewer.wait_until(lambda: viewer.mutes[-1:] == [False], "shown again")


def test_capturing_can_be_stopped_while_the_server_stands_still(server: Screen) -> None:
    with viewed(server, "screen:", cursor="always") as (viewer, source):
        viewer.sees(GROUND)
        server.stop()
        source.stop()
        server.resume()
        count = len(viewer.frames)
    assert (len(viewer.frames), viewer.ends) == (count, [])


def test_a_display_that_the_server_gives_no_picture_of_ends_its_track(server: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = count()
    monkeypatch.setattr(stream, "now_us", lambda: next(seconds) * MICROSECONDS)
    with viewed(server, f"window:{server.root}") as (viewer, _):
        viewer.wait_for(ends=1)
    assert isinstance(viewer.ends[0], NotReadableError)
    assert re.search("gives no picture of “.+”: Bad", str(viewer.ends[0]))
    assert viewer.frames == []


# A still screen, and the pointer


def test_nothing_is_read_of_a_screen_on_which_nothing_changes(server: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "STILL_US", 10_000)
    with viewed(server, "screen:") as (viewer, _):
        viewer.sees(GROUND)
        viewer.wait_for(frames=len(viewer.frames) + 5)
        same = viewer.frames[-1].planes[0].obj
        assert all(frame.planes[0].obj is same for frame in viewer.frames[-3:])
        times = [frame.timestamp for frame in viewer.frames]
        assert times == sorted(set(times))
        server.window("Red", RED, (0, 0, 60, 40))
        viewer.sees(RED)
        assert viewer.frames[-1].planes[0].obj is not same


class Clock:
    """A clock that only moves while the source waits, so that no picture is late on any machine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.us = 0

        def wait(_: object, timeout_s: float) -> None:
            self.us += ceil(timeout_s * MICROSECONDS) + 1

        monkeypatch.setattr(stream, "now_us", lambda: self.us)
        monkeypatch.setattr(xserver.XServer, "wait", wait)


@pytest.mark.parametrize("cursor", ["always", "never"])
def test_no_picture_is_lost_on_a_still_screen(server: Screen, monkeypatch: pytest.MonkeyPatch, cursor: str) -> None:
    Clock(monkeypatch)
    with viewed(server, "screen:", cursor=cursor) as (viewer, _):
        viewer.wait_for(frames=10)
        assert viewer.lost == []
        assert [frame.sequence for frame in viewer.frames[:10]] == list(range(10))


def test_a_minimised_window_is_looked_for_at_the_pace_of_a_still_screen(
    server: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    window, clock, looks = server.window("Red", RED, (20, 20, 80, 60)), Clock(monkeypatch), list[int]()
    look = xserver.XServer.picture_of

    def counted(connection: xserver.XServer, shown: Any) -> Any:
        looks.append(clock.us)
        return look(connection, shown)

    monkeypatch.setattr(xserver.XServer, "picture_of", counted)
    with viewed(server, "window:red", cursor="always") as (viewer, _):
        viewer.sees(RED)
        window.hide()
        server.point(5, 5)
        viewer.wait_until(lambda: viewer.mutes[-1:] == [True], "muted")
        before = len(looks)
        eventually(lambda: len(looks) > before + 4, "looked for")
        times = looks[before + 1 :]
    assert min(late - early for early, late in pairwise(times)) >= stream.STILL_US


def test_the_pointer_is_drawn_as_the_constraint_says_while_it_runs(server: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "POINTER_SHOWN_US", 3_600_000_000)
    at = SIZE[0] // 2, SIZE[1] // 2
    with viewed(server, "screen:", cursor="always") as (viewer, source):
        server.point(*at)
        viewer.wait_until(lambda: shows_pointer(viewer, at), "the pointer")
        assert source.set({"cursor": "never"}) == {"cursor": "never"}
        viewer.wait_until(lambda: not shows_pointer(viewer, at), "no pointer")
        assert source.set({"cursor": "motion"}) == source.set({}) == {"cursor": "motion"}
        server.point(at[0] + 20, at[1])
        viewer.wait_until(lambda: shows_pointer(viewer, (at[0] + 20, at[1])), "the pointer that moves")
        assert not shows_pointer(viewer, at)


def test_a_pointer_that_rests_disappears_if_only_its_motion_is_wanted(server: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "POINTER_SHOWN_US", 20_000)
    at = SIZE[0] // 2, SIZE[1] // 2
    with viewed(server, "screen:", cursor="motion") as (viewer, _):
        viewer.sees(GROUND)
        server.point(*at)
        viewer.wait_until(lambda: any(differs(frame, at) for frame in viewer.frames), "the pointer")
        viewer.wait_until(lambda: not shows_pointer(viewer, at), "no pointer")


def shows_pointer(viewer: Viewer, at: tuple[int, int]) -> bool:
    """Return whether the last picture has something about a place."""
    return bool(viewer.frames) and differs(viewer.frames[-1], at)


def differs(frame: VideoFrame, at: tuple[int, int]) -> bool:
    """Return whether a picture has anything but the ground about a place."""
    return any(pixel_at(frame, at[0] + x, at[1] + y) != colour(GROUND) for x in range(-7, 8) for y in range(-7, 8))


def test_a_pointer_that_the_server_does_not_show_is_left_out(server: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise BadValue(None, bytes(32))

    connection = xserver.XServer(server.name)
    assert connection.pointer_shape() is not None
    monkeypatch.setattr(connection._display, "xfixes_get_cursor_image", refuse, raising=False)
    assert connection.pointer_shape() is None
    connection.close()


def test_a_pointer_at_the_edge_is_cut_off_and_mixed_with_what_is_below() -> None:
    half = 0x80 << 24 | 0x80 << 16  # half of it shines through, and it is red
    shape = PointerShape(2, 2, 1, 1, [0xFF0000FF, half, 0, 0xFF00FF00])
    picture = bytearray(bytes([100, 100, 100, 0]) * 4)
    draw_pointer(memoryview(picture), 8, (2, 2), shape, 1, 1)
    assert bytes(picture) == bytes([255, 0, 0, 255, 49, 49, 177, 0, 100, 100, 100, 0, 0, 255, 0, 255])
    picture = bytearray(bytes([100, 100, 100, 0]) * 4)
    draw_pointer(memoryview(picture), 8, (2, 2), shape, 0, 0)
    assert bytes(picture) == bytes([0, 255, 0, 255]) + bytes([100, 100, 100, 0]) * 3


# Memory


def test_without_shared_memory_the_pictures_come_through_the_connection(
    server: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError("elsewhere")

    monkeypatch.setattr(xserver.XServer, "attach", refuse)
    server.window("Red", RED, (101, 51, 33, 17))
    with viewed(server, "region:35x19+100+50") as (viewer, _):
        viewer.sees(RED, (33, 17))
        assert viewer.size == (35, 19)


def eventually(is_so: Callable[[], bool], what: str) -> None:
    """Wait until something is so: the server has noticed that we have left."""
    deadline = monotonic() + TIMEOUT_S
    while not is_so():
        assert monotonic() < deadline, f"never: {what}"
        sleep(0.005)


def segments() -> set[str]:
    """Return the segments of shared memory that this process has made and that are not freed."""
    rows = [row.split() for row in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
    return {row[1] for row in rows if int(row[4]) == os.getpid()}


def test_no_shared_memory_is_left_and_what_is_held_stays_readable(server: Screen) -> None:
    before = segments()
    with viewed(server, "screen:") as (viewer, _):
        viewer.sees(GROUND)
        held = viewer.frames[0]
        assert segments() - before
    viewer.frames.clear()
    assert pixel_at(held, 5, 5) == colour(GROUND)
    eventually(lambda: len(segments() - before) == 1, "only what is held is left")
    del held
    eventually(lambda: segments() <= before, "nothing is left")


def test_no_shared_memory_is_left_if_the_server_has_no_room_for_more(server: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    before, attach, left = segments(), xserver.XServer.attach, [1]

    def attach_one(connection: xserver.XServer, segment: SharedMemory) -> int:
        if not left:
            raise OSError("no room")
        left.pop()
        return attach(connection, segment)

    monkeypatch.setattr(xserver.XServer, "attach", attach_one)
    with viewed(server, "screen:") as (viewer, _):
        viewer.sees(GROUND)
        server.window("Red", RED, (0, 0, 60, 40))
        viewer.sees(RED)
        viewer.frames.clear()
        eventually(lambda: segments() <= before, "nothing is left")


def test_no_shared_memory_is_left_of_the_sizes_that_a_window_had(server: Screen) -> None:
    before, window = segments(), server.window("Red", RED, (20, 20, 80, 60))
    with viewed(server, "window:red") as (viewer, _):
        viewer.sees(RED)
        small = segments() - before
        window.change(width=120, height=90)
        viewer.wait_until(lambda: viewer.size == (120, 90), "the new size")
        viewer.frames.clear()
        eventually(lambda: not small & segments(), "nothing is left of the old size")
    assert small


def test_memory_that_is_given_back_while_its_pool_is_closed_is_freed() -> None:
    class Closing(deque[Any]):
        """Free segments. The pool is closed before one is added."""

        def append(self, one: Any) -> None:
            pool.close()
            super().append(one)

    before = segments()
    pool = SegmentPool(4096, lambda segment: 1, lambda name: None)
    picture = pool.take(lambda name: None)
    pool._free = Closing()
    picture.release()
    del picture
    assert segments() <= before


def test_a_picture_is_written_over_only_when_nobody_has_it() -> None:
    names = iter(range(100))
    made: dict[int, SharedMemory] = {}

    def attach(segment: SharedMemory) -> int:
        name = next(names)
        made[name] = segment
        return name

    def fill(name: int) -> None:
        made[name].memory()[0] = len(written) + 1
        written.append(name)

    written: list[int] = []
    pool = SegmentPool(4096, attach, lambda name: None)
    held = [pool.take(fill) for _ in range(MOST + 3)]
    assert [picture[0] for picture in held] == list(range(1, MOST + 4))
    assert len(made) == MOST
    held.clear()
    again = pool.take(fill)
    assert (again[0], len(made)) == (MOST + 4, MOST)
    pool.close()
    again.release()


# What there is, and what it is called


def test_monitors_and_windows_are_listed_apart_from_the_devices(server: Screen) -> None:
    backend = ScreenBackend(display=server.name)
    assert backend.devices() == []
    red = server.window("Red", RED, (100, 50, 60, 40))
    server.window("Green", GREEN, (10, 20, 30, 40))
    listed = [(one.kind, one.label, one.path, one.default, *(one.surface or ())[2:6]) for one in backend.devices([DISPLAY])]
    assert listed[0] == (DISPLAY, "screen", "screen:screen", True, 0, 0, *SIZE)
    assert [(label, place) for _, label, _, _, *place in listed[1:]] == [
        ("Green", [10, 20, 30, 40]),
        ("Red", [100, 50, 60, 40]),
    ]
    assert listed[2][2] == f"window:0x{red.number:x}"
    with viewed(server, str(listed[2][2])) as (viewer, _):
        viewer.sees(RED)


def test_a_window_is_found_by_a_part_of_its_title_and_otherwise_the_nearest_is_named(server: Screen) -> None:
    for title in ("Letter – Editor", "Report – Editor"):
        server.window(title, RED, (0, 0, 9, 9))
    ScreenBackend("window:letter", display=server.name).close()
    with pytest.raises(NotFoundError, match="matches 2 windows") as several:
        ScreenBackend("window:editor", display=server.name)
    assert sum("window:0x" in hint for hint in several.value.hints) == 2
    with pytest.raises(NotFoundError, match="did you mean “Letter – Editor”"):
        ScreenBackend("window:Leter - Editor", display=server.name)
    with pytest.raises(NotFoundError, match=r"no monitor matches “scren” .did you mean “screen”") as none:
        ScreenBackend("screen:scren", display=server.name)
    assert none.value.hints == ("available: “screen”, screen:screen",)


@pytest.mark.parametrize("number", ["-5", "0", "0x100000000"])
def test_a_number_that_no_window_can_have_is_taken_as_a_title(server: Screen, number: str) -> None:
    with pytest.raises(NotFoundError, match=f"no window matches “{number}”"):
        ScreenBackend(f"window:{number}", display=server.name)


def test_before_randr_1_5_the_whole_screen_is_the_monitor(server: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(randr, "query_version", lambda _: SimpleNamespace(major_version=1, minor_version=4))
    backend = ScreenBackend(display=server.name)
    assert [(one.label, *(one.surface or ())[2:6]) for one in backend.devices([DISPLAY])] == [("screen", 0, 0, *SIZE)]
    assert backend.problem == ""


@pytest.mark.parametrize("address", ["region:", "region:0x5+1+1", "region:5x5", "region:5x5-1+1", "window:"])
def test_malformed_addresses_are_type_errors(server: Screen, address: str) -> None:
    with pytest.raises(TypeError, match=re.escape(address)):
        ScreenBackend(address, display=server.name)


def test_a_region_must_be_on_the_screen(server: Screen) -> None:
    assert region_of("REGION:5X6+7+8")[2:6] == (7, 8, 5, 6)
    with pytest.raises(TypeError, match="which has 320×240 pixels"):
        ScreenBackend("region:10x10+311+0", display=server.name)


def refusal_of(server: Screen, address: str) -> DOMException:
    """Return the error of a display that is found and cannot be opened."""
    with pytest.raises(DOMException) as refused, viewed(server, address):
        pass
    return refused.value


def test_pixels_that_are_not_read_are_told_when_the_display_is_opened() -> None:
    with screen(depth=16) as server:
        error = refusal_of(server, "screen:")
    assert isinstance(error, NotSupportedError)
    assert error.message == "the screen has pixels of 16 bits, which cannot be captured"


def test_a_server_that_keeps_no_pictures_of_windows_is_told_when_one_is_opened() -> None:
    with screen(more=("-extension", "Composite")) as server:
        server.window("Red", RED, (20, 20, 80, 60))
        error = refusal_of(server, "window:red")
    assert isinstance(error, NotSupportedError)
    assert "no Composite extension" in error.message


def failure_of(display: str) -> DOMException:
    """Return the error of a display that cannot be used, which the list of displays reports."""
    with pytest.raises(DOMException) as refused:
        ScreenBackend("screen:", display=display)
    backend = ScreenBackend(display=display)
    assert backend.devices([DISPLAY]) == []
    assert refused.value.message in backend.problem
    assert refused.value.hints[0] in backend.problem
    return refused.value


def test_without_a_display_the_error_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    for display in ("", ":987", "nonsense"):
        error = failure_of(display)
        assert isinstance(error, NotFoundError)
        assert "DISPLAY" in error.hints[0]


def cookies(file: Path, *command: str) -> Path:
    """Change a file of cookies."""
    require("xauth")
    subprocess.run(["xauth", "-f", file, *command], check=True, capture_output=True)
    return file


def test_a_user_who_may_not_connect_is_told_how_to_be_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAUTHORITY", str(tmp_path / "none"))
    with screen(authority=cookies(tmp_path / "cookies", "add", ":0", ".", "0" * 32)) as server:
        error = failure_of(server.name)
    assert isinstance(error, NotAllowedError)
    assert "XAUTHORITY" in error.hints[0]


def test_a_wrong_cookie_is_told_as_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with screen(authority=cookies(tmp_path / "right", "add", ":0", ".", "0" * 32)) as server:
        monkeypatch.setenv("XAUTHORITY", str(cookies(tmp_path / "wrong", "add", server.name, ".", "1" * 32)))
        error = failure_of(server.name)
    assert isinstance(error, NotAllowedError)
    assert error.message.startswith(f"the X server at {server.name} refuses this user: ")
    assert "XAUTHORITY" in error.hints[0]


def test_a_program_that_is_not_trusted_is_told_how_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = cookies(tmp_path / "cookies", "add", ":0", ".", "0" * 32)
    with screen(authority=file, more=("+extension", "SECURITY")) as server:
        monkeypatch.setenv("XAUTHORITY", str(cookies(file, "add", server.name, ".", "0" * 32)))
        cookies(file, "generate", server.name, ".", "untrusted")
        with viewed(server, "screen:") as (viewer, _):
            viewer.wait_for(ends=1)
    assert isinstance(viewer.ends[0], NotAllowedError)
    assert "does not let this program see that" in viewer.ends[0].message
    assert "ssh needs -Y" in viewer.ends[0].hints[0]


def test_a_server_with_too_many_programs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise DisplayConnectionError(name, b"Maximum number of clients reached")

    monkeypatch.setattr(Xlib.display, "Display", refuse)
    error = failure_of(":0")
    assert isinstance(error, NotReadableError)
    assert error.message == "the X server at :0 is full: Maximum number of clients reached"


def test_a_server_that_does_not_answer_while_it_is_asked_is_told(server: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = xserver.XServer(server.name)
    monkeypatch.setattr(xserver, "X_SERVER_S", 0.1)
    monkeypatch.setattr(xserver, "MUTE_S", 0.05)
    server.stop()
    with pytest.raises(NotReadableError, match=r"does not answer within 0\.1 s"):
        any(not connection.monitors() for _ in count())  # it may still answer once
    server.resume()
    connection.close()


def test_a_connection_whose_server_is_gone_at_once_is_closed(server: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object, extension: str) -> bool:
        raise NotReadableError(f"gone before {extension}")

    monkeypatch.setattr(xserver.XServer, "_agree_on", fail)
    with pytest.raises(NotReadableError, match="gone before"):
        xserver.XServer(server.name)


def test_a_server_that_does_not_answer_is_told(server: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xserver, "X_SERVER_S", 0.1)
    server.stop()
    error = failure_of(server.name)
    abandoned = [thread for thread in threading.enumerate() if thread.name == "mscli-xserver"]
    server.resume()
    for thread in abandoned:
        thread.join(TIMEOUT_S)
    assert len(abandoned) == 1  # it is not asked again while it hangs
    assert isinstance(error, NotReadableError)
    assert "does not answer within 0.1 s" in error.message


def test_without_python_xlib_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "Xlib", None)
    error = failure_of(":0")
    assert isinstance(error, NotSupportedError)
    assert "mscli[screen]" in error.hints[0]


def test_the_resolution_of_the_desktop_is_a_setting(server: Screen) -> None:
    with viewed(server, "screen:") as (_, source):
        assert source.settings["screenPixelRatio"] == 1.0
    server.set_resource("Xft.dpi:\t192\nXcursor.size: 24\n")
    with viewed(server, "screen:") as (_, source):
        assert source.settings["screenPixelRatio"] == 2.0


# In the library


def test_a_track_follows_the_size_of_its_window(server: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", server.name)
    window = server.window("Red", RED, (20, 20, 80, 60))
    with mscli.MediaDevices() as devices:
        (track,) = devices.get_display_media(surface="window:red").get_video_tracks()
        assert (track.get_settings()["displaySurface"], track.get_settings()["screenPixelRatio"]) == ("window", 1.0)
        changed = Event()
        track.add_event_listener("configurationchange", lambda _: changed.set())
        window.change(width=120, height=40)
        assert changed.wait(TIMEOUT_S)
        settings, capabilities = track.get_settings(), track.get_capabilities()
        assert (capabilities["width"]["max"], capabilities["height"]["max"]) == (120, 40)
        assert settings["width"] / settings["height"] == pytest.approx(3, rel=0.05)
        track.stop()


def test_a_size_that_breaks_a_constraint_does_not_mute_a_window(server: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", server.name)
    window = server.window("Red", RED, (20, 20, 80, 60))
    with mscli.MediaDevices() as devices:
        (track,) = devices.get_display_media(surface="window:red").get_video_tracks()
        asked = {"width": {"min": 80}, "cursor": {"exact": "never"}}
        track.apply_constraints(untyped(asked))
        events: list[str] = []
        for one in ("mute", "overconstrained"):
            track.add_event_listener(one, lambda event: events.append(event.type))
        window.change(width=40, height=30)
        eventually(lambda: track.get_settings()["width"] <= 40, "smaller than the constraint says")
        assert (track.get_settings()["cursor"], track.muted, events) == ("never", False, [])
        window.change(width=160, height=120)
        eventually(lambda: track.get_settings()["width"] >= 80, "as the constraint says")
        assert (track.get_constraints(), track.muted, events) == (asked, False, [])
        track.stop()


def test_without_a_display_the_library_says_why_none_is_found() -> None:
    with (
        mscli.MediaDevices(backends=[ScreenBackend(display=":987")]) as devices,
        pytest.raises(NotFoundError, match="no display found") as refused,
    ):
        devices.get_display_media()
    assert "there is no X server at :987" in refused.value.hints[0]
