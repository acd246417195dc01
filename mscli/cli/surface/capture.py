"""The command line of ``mscli capture``."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from mscli.cli.completion import complete_file, complete_pixel_format, complete_raw_format
from mscli.cli.helppages import DIAGNOSTICS, OUTPUT, Command, option
from mscli.cli.options import Options, capture_options
from mscli.cli.paramtypes import BufferType
from mscli.cli.surface.common import (
    control_option,
    deinterlace_option,
    duration_option,
    force_option,
    frames_option,
    output_arguments,
    outputs_of,
)
from mscli.cli.surface.filters import filter_options
from mscli.cli.surface.preview import preview_options
from mscli.core.eventloop import WHEN_FULL
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
    usual="the suffix of FILE, or raw data",
    help="Format, such as y4m, h264, npy, matroska or wav.",
)
@option(
    "--pixel-format",
    "pixels",
    group=OUTPUT,
    default="",
    metavar="FORMAT",
    shell_complete=complete_pixel_format,
    usual="as captured, or I420 if that is compressed",
    help="Pixel format, such as RGB24, or native for the camera's own.",
)
@option(
    "--frame-log",
    group=OUTPUT,
    once=True,
    metavar="FILE",
    shell_complete=complete_file,
    help="Write a line of JSON for each frame to FILE: its time, size and gaps.",
)
@option("--when-full", group=OUTPUT, type=click.Choice(WHEN_FULL), help="What to do if the reader is slower than the source.")
@option("--buffer", group=OUTPUT, type=BufferType(), help="Hold at most SIZE or DURATION of frames for a slow reader.")
@option("--reopen", group=OUTPUT, is_flag=True, help="Wait for the next reader if the reader of a named pipe leaves.")
@option("--print-ffmpeg", group=DIAGNOSTICS, is_flag=True, help="Print the options with which ffmpeg reads the output.")
@option("--print-gst", group=DIAGNOSTICS, is_flag=True, help="Print the elements with which GStreamer reads the output.")
@force_option("Write even over a block device.")
@duration_option
@frames_option(common=True)
@control_option
@deinterlace_option
@filter_options
@partial(preview_options, common=True)
@capture_options(VIDEO, AUDIO)
def command(options: Options, **given: Any) -> int:
    """Write frames or samples to FILE or stdout, raw or in a FORMAT.

    It captures video, or with --audio --no-video sound. FORMAT is rawvideo, y4m, mjpeg, h264, multipart or npy for video; pcm,
    s16le, s24le, s32le, f32le, wav or npy for sound; matroska for both. It can also be a pixel format (I420,
    NV12, YUYV, RGB24, ...), a sample format (s16, s32, f32, u8), or native for the device's own. --dry-run shows which one is
    written.
    """
    from mscli.cli.capture import run

    return run(options, outputs_of(given, least=0), **given)
