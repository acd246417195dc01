"""``mscli devices``: what is there, and with --watch what comes and goes."""

from __future__ import annotations

import sys

import click

from mscli.cli.change import device_json
from mscli.cli.opening import open_devices
from mscli.cli.printable import json_text
from mscli.cli.say import Voice
from mscli.cli.shared import Shared, shared_options
from mscli.sources.base import DEVICE_KINDS


@click.command("devices", short_help="List cameras, microphones and speakers.")
@click.option("--kind", "kinds", type=click.Choice(DEVICE_KINDS), multiple=True, help="Only that kind; repeatable.")
@click.option("--watch", is_flag=True, help="Go on, and show what comes and goes.")
@shared_options
def command(shared: Shared, kinds: tuple[str, ...], watch: bool) -> int:
    """List cameras, microphones and speakers, each default first.

    No device is started for it: no light goes on. A device can be named in the other commands by its id, its path or a part of
    its name.

    \b
    mscli devices
    mscli devices --kind videoinput --json
    """
    wanted = kinds or DEVICE_KINDS
    if watch:
        from mscli.cli.watch import watch_devices

        return watch_devices(wanted, shared)
    with open_devices(shared) as devices:
        infos = devices.enumerate_devices(wanted)
        if shared.json:
            print(json_text([device_json(info) for info in infos], sys.stdout, indent=1))  # noqa: T201
            for problem in devices.problems(wanted) if devices.silent(wanted) else ():  # the list may be incomplete
                Voice(shared).warn(problem)
        else:
            from mscli.cli.tables import show_devices

            show_devices([("", info) for info in infos], devices.problems(wanted), verbose=shared.verbose)
    return 0
