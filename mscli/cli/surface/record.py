"""The command line of ``mscli record``."""

from __future__ import annotations

from typing import Any

import click

from mscli.cli.encoding import encoding_options
from mscli.cli.helppages import OUTPUT, PICTURE, Command, option
from mscli.cli.options import Options, capture_options
from mscli.cli.paramtypes import DurationType
from mscli.cli.series import series_options
from mscli.cli.surface.common import (
    control_option,
    duration_option,
    force_option,
    frames_option,
    output_arguments,
    outputs_of,
)
from mscli.cli.surface.filters import filter_options
from mscli.cli.surface.preview import preview_options
from mscli.cli.target import CONTAINERS
from mscli.core.properties import AUDIO, VIDEO


@click.command(
    "record",
    cls=Command,
    examples=[
        ("Record until you press q or Ctrl-C", "mscli record clip.mp4"),
        ("Record a minute in Full HD", "mscli record -t 1m --size 1080p clip.mkv"),
        ("Record a voice memo", "mscli record --microphone usb voice.flac"),
        ("Encode in hardware", "mscli record --video-codec h264:hw --video-bitrate 8M clip.mov"),
        ("Send it to a player", "mscli record - | mpv -"),
        ("Publish it, too", "mscli record talk.mp4 rtmp://host/live/KEY"),
        ("Write several formats at once", "mscli record clip.mkv clip.webm sound.flac"),
        ("Start a file every 10 minutes, and keep 50 GB", "mscli record --segment-clock 10m --keep 50G %Y-%m-%d_%H-%M.mp4"),
        ("Turn a day into 5 minutes of film", "mscli record --time-lapse 10s -t 1d day.mp4"),
        (
            "Save 10 seconds before and 20 after each signal",
            "mscli record --trigger SIGUSR1 --pre-roll 10 -t 20 event-%03d.mp4",
        ),
    ],
)
@output_arguments("FILE...", many=True)
@option(
    "--format",
    "container",
    group=OUTPUT,
    type=click.Choice(CONTAINERS),
    usual="the suffix of FILE; mkv for a pipe",
    help="Format of FILE.",
)
@force_option("Overwrite FILE if it exists.", common=True)
@duration_option
@frames_option()
@option(
    "--time-lapse",
    group=PICTURE,
    type=DurationType(),
    help="Record a frame every DURATION, and play them at 30 fps.",
)
@series_options
@option(
    "--ca-file",
    group=OUTPUT,
    once=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    usual="those of the system",
    help="Certificates of authorities that a server may have.",
)
@option(
    "--give-up",
    group=OUTPUT,
    type=DurationType(),
    usual="never",
    help="End the output to a server that is away for DURATION.",
)
@control_option
@encoding_options
@filter_options
@preview_options
@capture_options(VIDEO, AUDIO)
def command(options: Options, **given: Any) -> int:
    """Record camera and microphone into FILE. Its suffix names the format.

    MP4, WebM, MKV and MOV hold video and sound; M4A, MP3, WAV, FLAC and Ogg hold sound. “-” writes MKV to stdout. Several FILEs
    are written at once. If one fails or is slow, the others are not affected.

    Press p to pause and to resume, and q to stop. After Ctrl-C, too, everything recorded so far is in the file. An existing
    FILE is kept unless --force is given.

    FILE can be a server: rtmp://, rtsp://, icecast://, udp://, srt://, or HLS with the suffix .m3u8. If it goes away, the
    others continue, and it is tried again.

    FILE can contain the time at which it starts, as in %Y-%m-%d_%H-%M-%S.mp4, and a number, as in clip-%03d.mp4. The --segment
    options split a recording into such files, with nothing lost between them. With --trigger, each trigger starts a file, which
    ends after --duration or with the next trigger.
    """
    from mscli.cli.record import run

    return run(options, outputs_of(given), **given)
