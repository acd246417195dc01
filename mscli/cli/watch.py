"""``mscli devices --watch``: a line or a table for every device that comes or goes."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence

from mscli.api.mediadeviceinfo import MediaDeviceInfo
from mscli.api.mediadevices import MediaDevices
from mscli.cli.printable import json_text
from mscli.cli.shared import Shared
from mscli.cli.signals import Stopper
from mscli.core.clock import MICROSECONDS, now_us, wall_time
from mscli.core.mailbox import Mailbox

LOOK_S = 1.0  # between two looks at the list


def watch_devices(devices: MediaDevices, kinds: Sequence[str], shared: Shared) -> int:
    """Show the devices, then every change, until a signal comes or the reader leaves."""
    gc.enable()  # it goes on for days
    mailbox = Mailbox()
    known: dict[str, MediaDeviceInfo] | None = None
    with Stopper(lambda: mailbox.post(lambda: None)) as stopper:
        while not stopper.requested:
            now = {f"{info.kind} {info.device_id}": info for info in devices.enumerate_devices(kinds)}
            if known is None or known.keys() != now.keys():
                _show(known or {}, now, devices.problems(kinds), shared)
            known = now
            mailbox.wait(LOOK_S)
    return 0


def _show(before: dict[str, MediaDeviceInfo], now: dict[str, MediaDeviceInfo], problems: list[str], shared: Shared) -> None:
    added = [info for key, info in now.items() if key not in before]
    removed = [info for key, info in before.items() if key not in now]
    if shared.json:
        print(_line(added, removed, list(now.values())), flush=True)  # noqa: T201
        return
    from mscli.cli.tables import show_changes

    show_changes(list(now.values()), added if before else [], removed, problems, verbose=shared.verbose)


def _line(added: list[MediaDeviceInfo], removed: list[MediaDeviceInfo], now: list[MediaDeviceInfo]) -> str:
    from mscli.cli.devices import device_json

    at_us = now_us()
    lists = {"added": added, "removed": removed, "devices": now}
    told = {name: [device_json(info) for info in infos] for name, infos in lists.items()}
    event = {"type": "devicechange", "time": at_us / MICROSECONDS, "wallTime": wall_time(at_us), **told}
    return json_text(event, sys.stdout)
