"""``mscli devices --watch``: print a line or a table for every device that comes or goes."""

from __future__ import annotations

import gc
import os
import select
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Protocol

from mscli.api.devicechangeevent import DeviceChangeEvent
from mscli.api.mediadeviceinfo import MediaDeviceInfo
from mscli.cli.change import DeviceListChange
from mscli.cli.forgiving import STDERR, STDOUT, Readers
from mscli.cli.opening import open_devices
from mscli.cli.printable import json_text
from mscli.cli.say import Voice
from mscli.cli.shared import Shared
from mscli.cli.signals import Stopper, on_resize
from mscli.core.clock import MICROSECONDS, now_us, wall_time
from mscli.core.eventloop import EventLoop
from mscli.core.threads import Thread

REST_S = 3600.0  # only bounds the wait: every change wakes the loop


def watch_devices(kinds: Sequence[str], shared: Shared) -> int:
    """Show the devices, then every change, until a signal comes or the reader leaves."""
    gc.enable()  # it runs for days
    event_loop = EventLoop()
    events: list[DeviceChangeEvent] = []  # shown by the loop, not by the listener, whose exceptions would be swallowed
    with (
        Stopper(lambda: event_loop.post(_nothing), Readers(STDOUT, STDERR).abandon_reader) as stopper,
        ReaderWatch(lambda: event_loop.post(_nothing)) as reader,
        open_devices(shared, event_loop, warn=Voice(shared).warn) as devices,
        _view(shared) as view,
        on_resize(lambda: event_loop.post(view.redraw)),
    ):

        def look() -> list[MediaDeviceInfo]:
            devices.add_event_listener("devicechange", events.append)
            return devices.enumerate_devices(kinds)

        with suppress(KeyboardInterrupt):  # a signal came, and a driver or server does not answer
            found = stopper.wait_for(look)
        if stopper.requested:
            return 0
        change = DeviceListChange.between([], found, now_us())
        view.show(change, devices.problems(kinds))
        while not (stopper.requested or reader.left):
            event_loop.wait(REST_S)
            while events:
                event = events.pop(0)
                change = DeviceListChange.between(
                    change.devices, [info for info in event.devices if info.kind in kinds], event.time
                )
                if change:
                    view.show(change, devices.problems(kinds))
    return 0


def _nothing() -> None:
    """Do nothing. The task only wakes the loop."""


class View(Protocol):
    """A way to show changes."""

    def redraw(self) -> None:
        """Draw again after the terminal was resized."""

    def show(self, change: DeviceListChange, problems: Sequence[str]) -> object:
        """Show a change. ``problems``: why whole families of devices are missing."""


class JsonLines:
    """A view that prints a line of JSON per change."""

    def redraw(self) -> None:
        """Do nothing: lines are not redrawn."""

    def show(self, change: DeviceListChange, problems: Sequence[str]) -> None:  # noqa: ARG002 (they are no part of the contract's line)
        """Print the change at once."""
        at_us = change.at_us
        event = {"type": "devicechange", "time": at_us / MICROSECONDS, "wallTime": wall_time(at_us), **change.to_json()}
        print(json_text(event, sys.stdout), flush=True)  # noqa: T201


def _view(shared: Shared) -> AbstractContextManager[View]:
    if shared.json:
        return nullcontext(JsonLines())
    from mscli.cli.watch_table import WatchTable

    return WatchTable(verbose=shared.verbose)


class ReaderWatch:
    """A watch on the reader of stdout, if stdout is a pipe or a socket. It sets ``left`` and calls ``wake``.

    It notices that the reader has left even if the program rarely prints. Both happen on a thread of its own, which sleeps
    until then.
    """

    def __init__(self, wake: Callable[[], object]) -> None:
        self.left = False
        self._wake = wake
        self._ends: tuple[int, int] | None = None  # a pipe: closing one end stops the wait at the other
        self._thread: Thread | None = None

    def __enter__(self) -> ReaderWatch:
        if hasattr(select, "poll") and _is_read(sys.stdout.fileno()):
            self._ends = os.pipe()
            self._thread = Thread(target=self._run, args=(self._ends[0],), name="mscli-reader", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._ends is not None and self._thread is not None:
            os.close(self._ends[1])
            self._thread.join()
            os.close(self._ends[0])

    def _run(self, end: int) -> None:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)  # no events: errors and hang-ups are always reported
        poll.register(end, select.POLLIN)
        if end not in dict(poll.poll()):
            self.left = True
            self._wake()


def _is_read(fd: int) -> bool:
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
