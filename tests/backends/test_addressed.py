"""A source of another package that makes mistakes: each is an error that names the address, in time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from threading import Condition, Event
from typing import Any

import pytest

import mscli
from mscli.core import plugins
from mscli.core.limits import Timeouts
from mscli.sources import BACKENDS, SourceRow, addressed, find_source, own_source
from mscli.sources.addressed import Addressed
from mscli.sources.device import DeviceSource
from tests.unit.stage import picture

TIMEOUT_S = 20.0
DEVICE = mscli.Device("", "videoinput", "Thing", "", "thing")
MODE = mscli.Mode("GREY", 64, 48, 30)
SETTINGS = {"width": 64, "height": 48, "frameRate": 30}
REQUEST = mscli.Request(SETTINGS, "GREY")


class Given(mscli.Backend):
    """A backend that gives what the test says. What is an exception is raised, and what can be called is called."""

    def __init__(self, **given: Any) -> None:
        self._given = {"device": DEVICE, "modes": [MODE], "settings": SETTINGS, "frame": picture(0), "close": None, **given}

    def give(self, name: str) -> Any:
        given = self._given[name]
        if isinstance(given, BaseException):
            raise given
        return given() if callable(given) else given

    def devices(self, kinds: Any = ()) -> list[mscli.Device]:
        return [self.give("device")]

    def abilities(self, device: mscli.Device) -> mscli.Abilities:
        return mscli.Abilities(self.give("modes"))

    def open(self, device: mscli.Device, request: mscli.Request) -> mscli.Source:
        return GivenSource(self)

    def close(self) -> None:
        self.give("close")


class GivenSource(mscli.ThreadedSource):
    def __init__(self, backend: Given) -> None:
        self._backend = backend

    @property
    def settings(self) -> Any:
        return self._backend.give("settings")

    def frames(self) -> Iterator[Any]:
        yield self._backend.give("frame")


class Ended:
    """A receiver that keeps the frames and waits for the end."""

    def __init__(self) -> None:
        self.frames: list[Any] = []
        self._ends: list[Any] = []
        self._changed = Condition()

    def on_frame(self, frame: Any) -> None:
        self.frames.append(frame)

    def on_ended(self, error: Any) -> None:
        with self._changed:
            self._ends.append(error)
            self._changed.notify_all()

    def wait(self) -> Any:
        with self._changed:
            assert self._changed.wait_for(lambda: self._ends, TIMEOUT_S)
        return self._ends[0]

    on_lost = on_muted = on_changed = on_warned = on_retimed = on_frame


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the exceptions that are reported and not raised."""
    said: list[str] = []
    monkeypatch.setattr(sys, "excepthook", lambda _kind, error, _trace: said.append(str(error)))
    return said


def used(**given: Any) -> Any:
    """Use a backend from its listing to the end of its source. Return the source's error."""
    backend = Addressed(Given(**given), "thing:1")
    (device,) = backend.devices()
    backend.abilities(device)
    source = backend.open(device, REQUEST)
    ended = Ended()
    source.start(ended)  # type: ignore[arg-type]
    error = ended.wait()
    source.stop()
    backend.close()
    return error


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"device": DEVICE._replace(label=None)}, "it returned a NoneType as label"),  # type: ignore[arg-type]
        ({"device": DEVICE._replace(device_id=5)}, "it returned a int as device_id"),  # type: ignore[arg-type]
        ({"modes": None}, "it returned a NoneType as modes"),
        ({"modes": 3}, "it returned a int as modes"),
        ({"modes": [3]}, "it returned a int as a mode"),
        ({"modes": [MODE._replace(width="a")]}, "it returned a str as a size or a rate"),  # type: ignore[arg-type]
        ({"modes": [MODE._replace(pixel_format="NOPE")]}, "it returned “NOPE” as a pixel format"),
        ({"settings": None}, "it returned a NoneType as settings"),
        ({"settings": 42}, "it returned a int as settings"),
        ({"settings": {}}, "it returned a NoneType as width"),
        ({"settings": SETTINGS | {"width": "a"}}, "it returned a str as width"),
        ({"settings": SETTINGS | {"height": 0}}, "it returned 0 as height"),
        ({"settings": SETTINGS | {"frameRate": float("nan")}}, "it returned nan as frameRate"),
    ],
)
def test_a_wrong_type_is_an_error_that_names_the_address(given: dict[str, Any], why: str) -> None:
    with pytest.raises(mscli.NotReadableError) as found:
        used(**given)
    assert str(found.value) == f"the source that reads thing:1 is broken: {why}"


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        ("x", "it returned a str as a frame"),
        (None, "it returned a NoneType as a frame"),
        (replace(picture(0), format="NOPE"), "it returned a frame of the format “NOPE”, which is unknown"),
        (replace(picture(0), timestamp="x"), "the times of a frame are not integers"),  # type: ignore[arg-type]
        (replace(picture(0), strides=()), "a frame has 0 strides; GREY of 64×48 has 1"),
        (mscli.AudioData("s16", 48_000, 1, 1, 0, memoryview(b"ab")), "it returned a AudioData as video"),
    ],
)
def test_what_is_no_frame_ends_the_source(frame: Any, why: str) -> None:
    assert str(used(frame=frame)) == f"the source that reads thing:1 is broken: {why}"


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda to: to.on_lost("x"), "it returned a str as a number of lost frames"),
        (lambda to: to.on_lost(-1), "it reported -1 lost frames"),
        (lambda to: to.on_changed(5), "it returned a int as settings"),
        (lambda to: to.on_changed({"width": "a"}), "it returned a str as width"),
        (lambda to: to.on_changed({"width": 0}), "it returned 0 as width"),
        (lambda to: to.on_changed({}, mscli.Abilities(5)), "it returned a int as modes"),  # type: ignore[arg-type]
        (lambda to: to.on_ended("x"), "it ended with a str"),
    ],
)
def test_what_is_no_report_ends_the_source(call: Any, why: str) -> None:
    class Telling(GivenSource):
        def start(self, receiver: mscli.Receiver) -> None:
            call(receiver)
            receiver.on_frame(picture(0))
            receiver.on_warned("not passed on, because it has ended")

    class Teller(Given):
        def open(self, device: mscli.Device, request: mscli.Request) -> mscli.Source:
            return Telling(self)

    backend, ended = Addressed(Teller(), "thing:1"), Ended()
    backend.open(backend.devices()[0], REQUEST).start(ended)  # type: ignore[arg-type]
    assert str(ended.wait()) == f"the source that reads thing:1 is broken: {why}"
    assert ended.frames == []


@pytest.mark.parametrize("error", [ValueError("no luck"), SystemExit(3), KeyboardInterrupt(), MemoryError()])
def test_whatever_is_raised_by_its_loop_ends_the_source_with_an_error(error: BaseException) -> None:
    ended = used(frame=error)
    assert isinstance(ended, mscli.NotReadableError)
    assert type(error).__name__ in str(ended)


def test_settings_that_hang_are_abandoned_in_time() -> None:
    hanging = Event()
    backend = Addressed(Given(settings=lambda: hanging.wait() and SETTINGS), "thing:1")
    (device,) = backend.devices()
    source = DeviceSource(device, backend, backend.abilities(device), lambda _: None, Timeouts(0.1, 0.1))
    with pytest.raises(mscli.NotReadableError, match=r"did not open within 0\.1 s"):
        source.open(SETTINGS, MODE)
    hanging.set()


def test_a_backend_that_fails_when_it_is_closed_is_only_reported(reported: list[str]) -> None:
    assert used(close=ValueError("no luck")) is None
    assert reported == ["no luck"]


def test_a_backend_that_hangs_when_it_is_closed_is_left_behind(reported: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addressed, "STOP_S", 0.1)
    hanging = Event()
    assert used(close=hanging.wait) is None
    hanging.set()
    assert reported == ["the source that reads thing:1 is broken: it did not close within 0.1 s"]


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("window:clip.mp4", "screen"),
        ("screen:a.mkv", "screen"),
        ("monitor:talk.wav", "monitor"),
        ("http://host/clip.mp4", "network"),
        ("file:clip.mp4", "file"),
        ("clip.mp4", "file"),
        ("talk: clip.mp4", "file"),
        ("unknown:clip.mp4", "file"),
        ("-", "pipe"),
    ],
)
def test_a_scheme_counts_more_than_a_suffix(address: str, name: str) -> None:
    assert find_source(address) is own_source(address) is BACKENDS[name]


def test_the_scheme_of_a_package_counts_more_than_a_suffix(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {"thing": SourceRow("thing", "Thing", ("videoinput",), schemes=("thing",)), "mp4": None}
    monkeypatch.setattr(plugins, "load_row", lambda _, name, __: (rows[name], "mscli-thing") if rows[name] else None)
    found = [find_source(address) for address in ("thing:clip.mp4", "clip.mp4")]
    assert [(row.module, row.package) for row in found if row] == [("thing", "mscli-thing"), (BACKENDS["file"].module, "")]
