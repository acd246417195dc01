"""The command line of ``mscli capture``."""

from __future__ import annotations

from typing import Any

import click

from mscli.cli.completion import complete_raw_format
from mscli.cli.helppages import OUTPUT, Command, option
from mscli.cli.options import Options, capture_options
from mscli.cli.surface.common import (
    control_option,
    deinterlace_option,
    duration_option,
    force_option,
    frames_option,
    output_arguments,
    outputs_of,
)
from mscli.core.properties import AUDIO, VIDEO


@click.command(
    "capture",
    cls=Command,
    examples=[
        ("Send frames to another program", "mscli capture --format y4m | mpv -"),
        ("Write 30 raw frames", "mscli capture --size 640x480 --format RGB24 --frames 30 -o frames.rgb"),
        ("Write 5 seconds of sound", "mscli capture --audio --no-video --format s16 -t 5 > sound.pcm"),
    ],
)
@output_arguments("[FILE]...", many=True, common=True)
@option(
    "--format",
    "form",
    group=OUTPUT,
    common=True,
    default="",
    metavar="FORMAT",
    shell_complete=complete_raw_format,
    usual="as captured, or I420 if that is compressed",
    help="Format, such as I420, RGB24, y4m or s16.",
)
@option("--preview", group=OUTPUT, common=True, is_flag=True, help="Show the picture in a window.")
@force_option("Write even over a block device.")
@duration_option
@frames_option(common=True)
@control_option
@deinterlace_option
@capture_options(VIDEO, AUDIO)
def command(options: Options, **given: Any) -> int:
    """Write raw frames or samples to FILE or stdout, without headers.

    It captures video, or with --audio --no-video sound. FORMAT is a pixel format (I420, NV12, YUYV, RGB24, BGR24, GREY, ...), a
    sample format (s16, s32, f32, u8), y4m, or native for the device's own format. --dry-run shows which one is written.
    """
    from mscli.cli.capture import run

    return run(options, outputs_of(given, least=0), **given)
