"""The command line of ``mscli devices``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from mscli.cli.helppages import DEVICE, OUTPUT, Command, option
from mscli.cli.shared import Shared, shared_options

KINDS = {"camera": "videoinput", "microphone": "audioinput", "speaker": "audiooutput", "display": "display"}


class KindType(click.Choice[str]):
    """A word for a kind of device: one of ours, or the standard's name."""

    def __init__(self, kinds: Mapping[str, str]) -> None:
        super().__init__([*kinds, *kinds.values()])
        self.kinds = kinds

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the standard's name of the kind."""
        word = super().convert(value, param, ctx)
        return self.kinds.get(word, word)


@click.command(
    "devices",
    cls=Command,
    examples=[
        ("List everything", "mscli devices"),
        ("List the cameras, for a script", "mscli devices --kind camera --json"),
        ("List the monitors and windows", "mscli devices --kind display"),
        ("Show devices as they come and go", "mscli devices --watch"),
    ],
)
@option(
    "--kind",
    "kinds",
    group=DEVICE,
    common=True,
    type=KindType(KINDS),
    metavar="KIND",
    multiple=True,
    help="List only camera, microphone, speaker or display; repeatable.",
)
@option("--watch", group=OUTPUT, common=True, is_flag=True, help="Keep running and show every change.")
@shared_options()
def command(shared: Shared, **given: Any) -> int:
    """List cameras, microphones and speakers, the default ones first.

    No device is started, so no light goes on. Monitors and windows are only listed with --kind display. Other
    commands take a device by its name or a part of it, its path, or its id.
    """
    from mscli.cli.devices import run

    return run(shared, **given)
