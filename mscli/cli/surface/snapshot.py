"""The command line of ``mscli snapshot``."""

from __future__ import annotations

from typing import Any

import click

from mscli.cli.helppages import ENCODING, OUTPUT, Command, option
from mscli.cli.options import Options, capture_options
from mscli.cli.paramtypes import FractionType
from mscli.cli.surface.common import deinterlace_option, force_option, output_arguments, outputs_of
from mscli.cli.surface.filters import filter_options
from mscli.cli.surface.pictures import picture_options
from mscli.cli.surface.preview import preview_options
from mscli.core.properties import VIDEO


@click.command(
    "snapshot",
    cls=Command,
    examples=[
        ("Take a picture", "mscli snapshot picture.png"),
        ("Take one in Full HD with another camera", "mscli snapshot --camera brio --size 1080p picture.jpg"),
        ("Send one to another program", "mscli snapshot --format jpeg - | magick - small.png"),
        (
            "Take one every 10 seconds, and keep the newest 1000",
            "mscli snapshot --interval 10s --keep 1000 %Y-%m-%d_%H-%M-%S.jpg",
        ),
        ("Take the sharpest of 10 frames after a countdown", "mscli snapshot --delay 5s --best-of 10 portrait.jpg"),
        ("Take three exposures", "mscli snapshot --bracket -2,0,2 hdr-%03d.png"),
    ],
)
@output_arguments("FILE", many=False)
@option(
    "--format",
    "suffix",
    group=OUTPUT,
    common=True,
    type=click.Choice(["png", "jpeg", "webp", "avif", "tiff", "ppm", "pgm"]),
    metavar="FORMAT",
    usual="the suffix of FILE; png for “-”",
    help="png, jpeg, webp, avif, tiff, ppm or pgm.",
)
@force_option("Overwrite files of a series; write over a block device.")
@option(
    "--quality",
    group=ENCODING,
    common=True,
    type=FractionType(),
    usual="0.92 for JPEG, 0.8 for WebP and AVIF",
    help="Quality of JPEG, WebP, AVIF: 0 to 1 (best).",
)
@picture_options
@filter_options
@preview_options
@deinterlace_option
@capture_options(VIDEO)
def command(options: Options, **given: Any) -> int:
    """Take a picture and save it as FILE: PNG, JPEG, WebP, AVIF, TIFF, PPM or PGM.

    “-” writes it to stdout. An existing FILE is replaced, but only by a complete picture.

    Exposure and white balance get up to 2 seconds to settle; black pictures are not saved, except with
    --settle off.

    With --count, --interval, --at-clock, --trigger, --burst or --bracket, it takes several pictures. FILE can contain the time
    and a number, as in %Y-%m-%d_%H-%M-%S.jpg or shot-%03d.jpg. Without either, a number is added. Existing files are kept
    unless --force is given. Ctrl-C ends a series.
    """
    from mscli.cli.snapshot import run

    (file,) = outputs_of(given, most=1)
    return run(options, file, **given)
