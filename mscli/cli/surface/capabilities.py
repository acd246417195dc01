"""The command line of ``mscli capabilities``."""

from __future__ import annotations

from typing import Any

import click

from mscli.cli.completion import complete_device, complete_file
from mscli.cli.helppages import DEVICE, Command, option
from mscli.cli.options import INSECURE
from mscli.cli.shared import Shared, shared_options


@click.command(
    "capabilities",
    cls=Command,
    examples=[
        ("Show what the default camera can do", "mscli capabilities"),
        ("Show a camera by its path, for a script", "mscli capabilities /dev/video2 --json"),
    ],
)
@click.argument("device", required=False, shell_complete=complete_device("videoinput", "audioinput"))
@option(
    "-i",
    "--input",
    "address",
    group=DEVICE,
    metavar="ADDRESS",
    shell_complete=complete_file,
    help="Show the video and the sound of a file, a pipe or a stream, instead of a device.",
)
@option("--probe", group=DEVICE, common=True, is_flag=True, help="Start every mode and measure its frame rate.")
@INSECURE
@shared_options(verbose=False)
def command(shared: Shared, **given: Any) -> int:
    """Show the settings of DEVICE and the native modes of a camera.

    DEVICE is a name or a part of it, a path, an id, or an address. The default is the default camera, or else the microphone.
    """
    from mscli.cli.capabilities import run

    return run(shared, **given)
