"""``mscli devices --watch``: a line or a table for every device that comes or goes."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Protocol

from mscli.api.devicechangeevent import DeviceChangeEvent
from mscli.api.mediadeviceinfo import MediaDeviceInfo
from mscli.cli.change import Change
from mscli.cli.forgiving import STDERR, STDOUT, Readers
from mscli.cli.opening import open_devices
from mscli.cli.printable import json_text
from mscli.cli.reader import ReaderWatch
from mscli.cli.shared import Shared
from mscli.cli.signals import Stopper, on_resize
from mscli.core.clock import MICROSECONDS, now_us, wall_time
from mscli.core.mailbox import Mailbox

REST_S = 3600.0  # a wake-up is posted for whatever happens; this only bounds the wait


def watch_devices(kinds: Sequence[str], shared: Shared) -> int:
    """Show the devices, then every change, until a signal comes or the reader leaves."""
    gc.enable()  # it goes on for days
    mailbox = Mailbox()
    events: list[DeviceChangeEvent] = []  # to be shown; not shown by the listener, whose failures end nothing
    with (
        Stopper(lambda: mailbox.post(_nothing), Readers(STDOUT, STDERR).forsake) as stopper,
        ReaderWatch(lambda: mailbox.post(_nothing)) as reader,
        open_devices(shared, mailbox) as devices,
        _view(shared) as view,
        on_resize(lambda: mailbox.post(view.redraw)),
    ):

        def look() -> list[MediaDeviceInfo]:
            devices.add_event_listener("devicechange", events.append)
            return devices.enumerate_devices(kinds)

        with suppress(KeyboardInterrupt):  # a signal, and a driver or server that does not answer
            found = stopper.wait_for(look)
        if stopper.requested:
            return 0
        change = Change.between([], found, now_us())
        view.show(change, devices.problems(kinds))
        while not (stopper.requested or reader.left):
            mailbox.wait(REST_S)
            while events:
                event = events.pop(0)
                change = Change.between(change.devices, [info for info in event.devices if info.kind in kinds], event.time)
                if change:
                    view.show(change, devices.problems(kinds))
    return 0


def _nothing() -> None:
    """A task that only wakes up."""


class View(Protocol):
    """How changes are shown."""

    def redraw(self) -> None:
        """The terminal has another size."""

    def show(self, change: Change, problems: Sequence[str]) -> object:
        """Show a change; ``problems``: why whole families of devices are missing."""


class Lines:
    """A line of JSON for each."""

    def redraw(self) -> None:
        """Nothing: lines are not drawn."""

    def show(self, change: Change, problems: Sequence[str]) -> None:  # noqa: ARG002 (they are no part of the contract's line)
        """Print it at once."""
        at_us = change.at_us
        event = {"type": "devicechange", "time": at_us / MICROSECONDS, "wallTime": wall_time(at_us), **change.to_json()}
        print(json_text(event, sys.stdout), flush=True)  # noqa: T201


def _view(shared: Shared) -> AbstractContextManager[View]:
    if shared.json:
        return nullcontext(Lines())
    from mscli.cli.watch_table import WatchTable

    return WatchTable(verbose=shared.verbose)
