"""What the man page of ``mscli record`` says about containers, codecs, quality and speed, marked as in ``mscli.cli.manual``."""

from __future__ import annotations

ENCODING = """\
# CONTAINERS AND CODECS

The suffix of _FILE_ names the container. What it holds, of picture and of sound, the first of each unless `--video-codec` or
`--audio-codec` says another:

`.mp4`
: `h264`, `hevc`, `av1`, `vp9`; `aac`, `opus`, `flac`

`.webm`
: `vp9`, `vp8`, `av1`; `opus`

`.mkv`
: `h264`, `hevc`, `av1`, `vp9`, `vp8`, `mjpeg`, `ffv1`; `opus`, `aac`, `flac`, `mp3`, `pcm`

`.mov`
: `h264`, `hevc`, `mjpeg`; `aac`, `pcm`

`.wav`
: `pcm`

`.flac`
: `flac`

`.ogg`
: `opus`, `flac`

`.mp3`
: `mp3`

`.m4a`
: `aac`

`ffv1`, `flac` and `pcm` lose nothing: `ffv1` also keeps a camera's pixels in their own format, 4:2:2 or RGB, and `flac` and
`pcm` samples of 24 bits. `h264`, `hevc` and `av1` cut off an odd column or row. `mp3` has two channels at most. Sound whose
rate a codec does not have is resampled to the next higher one, or to the highest.

With `:hw` behind it, as in `h264:hw`, `hevc:hw` and `av1:hw`, a codec is encoded by the hardware: the first of NVENC, Quick
Sync, AMF, VideoToolbox and V4L2 that can be opened at the size of the picture. If there is none, that is told, and it is
encoded in software.

# QUALITY AND SPEED

`--quality` holds the quality, whatever bit rate it takes, and `--video-bitrate` the bit rate. Without either one
`h264`, `hevc` and `av1` have a quality of 0.5, `mjpeg` has 0.8, and `vp8`, `vp9` and hardware a bit rate of a tenth of
a bit for each pixel. A bit rate that an encoder cannot work towards, of sound too, becomes the nearest that it can. On the
scale of its encoder a quality of 0, 0.5 and 1 is

`h264`
: 36, 23, 10 (crf of x264)

`hevc`
: 40, 26, 12 (crf of x265)

`av1`
: 60, 40, 20 (crf of SVT-AV1)

`vp9`, `vp8`
: 60, 34, 8 (quantizer of libvpx)

`mjpeg`
: 31, 8, 1 (quantizer scale; a JPEG's quality of 0.5 is 8, too)

`--preset` has the names of x264 for all encoders: `ultrafast`, `superfast`, `veryfast`, `faster`, `fast`, `medium`, `slow`,
`slower` and `veryslow`. The slower, the smaller the file, or the better the picture at the same bit rate. Without it each
encoder is as fast as it has to be to work live, `h264` at `veryfast`. What means nothing to an encoder is told and ignored.
"""

ENCODING_OPTIONS = {  # of an option: what its one line of help has no room for
    "--audio-bitrate": "With `k` or `M` behind it, thousands or millions. `flac` and `pcm` have none to choose.",
    "--audio-codec": "See CONTAINERS AND CODECS.",
    "--preset": "See QUALITY AND SPEED.",
    "--video-bitrate": "With `k` or `M` behind it, thousands or millions. Not together with `--quality`.",
    "--video-codec": "See CONTAINERS AND CODECS.",
}
