"""``mscli devices``: list devices, and with --watch their changes."""

from __future__ import annotations

import sys

import click

from mscli.cli.change import device_json
from mscli.cli.opening import open_devices
from mscli.cli.printable import json_text
from mscli.cli.say import Voice
from mscli.cli.shared import Shared
from mscli.sources.base import DEVICE_KINDS, DISPLAY


def run(shared: Shared, kinds: tuple[str, ...], watch: bool) -> int:
    """List the devices and return the exit code."""
    wanted = tuple(kind for kind in kinds or DEVICE_KINDS if kind != DISPLAY)
    if watch:
        if DISPLAY in kinds:
            raise click.UsageError("--watch follows devices, but no displays")
        from mscli.cli.watch import watch_devices

        return watch_devices(wanted, shared)
    with open_devices(shared, warn=Voice(shared).warn) as devices:
        infos = devices.enumerate_devices(wanted) if wanted else []
        displays = devices.enumerate_displays() if DISPLAY in kinds else []
        if shared.json:
            print(json_text([device_json(info) for info in (*infos, *displays)], sys.stdout, indent=1))  # noqa: T201
            for problem in devices.problems(wanted) if wanted and devices.silent(wanted) else ():  # the list may be incomplete
                Voice(shared).warn(problem)
        else:
            from mscli.cli.tables import show_devices, show_displays

            if wanted:
                show_devices([("", info) for info in infos], devices.problems(wanted), verbose=shared.verbose)
            if DISPLAY in kinds:
                show_displays(displays, devices.problems([DISPLAY]))
    return 0
