"""What the manual says of ``mscli record``: see ``mscli.cli.manual``."""

from __future__ import annotations

from mscli.cli.manual_common import CAPTURING, FILES
from mscli.cli.manual_encoding import ENCODING
from mscli.cli.manual_series import SERIES, SERIES_EXAMPLES

RECORD = f"""
Recorded are picture and sound as far as _FILE_ holds them, the sound only if there is a microphone. Any option for one of
them, such as `--microphone`, asks for it.

Frames keep the time of their capture: none is repeated or left out for the sake of a constant rate.

The container is the one that the suffix of _FILE_ or `--format` says. `-` and `/dev/stdout` are stdout, and what is said to
programs goes to stderr then. Into them, and into any other pipe or device without such a suffix, goes Matroska.
{CAPTURING}
# WHILE IT RUNS

On a terminal a line shows for how long it has recorded, the size of the file, the frame rate, what was lost, the peak of the
sound in dB below full scale, with a mark at the highest of the last two seconds and `CLIP` where the sound went over, and
for how long the disk has room. It is not there with `--quiet` or `--json`. Then these keys work, too:

`p`
: pauses the recording, and goes on; what comes meanwhile is left out, without a gap. A camera's H.264 goes on with its next
  key frame: the pictures before that cannot be decoded and are dropped

`q`
: ends it, as Ctrl-C does

# WHEN SOMETHING GOES WRONG

What was recorded can be read up to the last second, unless an encoder is overloaded: also when the program is killed or the
power fails, for what comes is written five times a second at least, and brought to the disk twice. When the disk is full, or
cannot be written, the recording ends with exit code 9, and can be read up to there. A recording for which the disk has no
room for 10 seconds is not begun.

# TIME

All tracks are on one clock, CLOCK_MONOTONIC. Where a device started late, lost something or stalled, the sound has silence,
and the picture before stands longer. A microphone's own clock is never quite right. Once its sound is 5 ms off its place it is
resampled, by as many millionths as the clock is wrong, without a step that could be heard. Up to there every sample is
written as it came, so that a WAV or FLAC from a microphone whose clock agrees has the very samples. All of it is counted in
the report.

What is missing in a stall counts as lost: sound after 15 ms, and pictures if two or more of them are missing between such as
come in their usual distance. The longer distances of a camera in the dark are no loss. After 0.8 seconds black or silence
stands in their place, which counts as `blank` and not as lost, up to the next frame; so it is when a device was away. In a
track that is copied (`--video-codec copy`) there is no black: the last picture stands instead, and what is missing counts as
lost. A late start is no loss: a camera that is more than a second late, or never gives a picture, is black until its first
one, unless it is copied, and what is made for that counts as `duplicated`.

# OVERLOAD

An encoder that cannot keep up costs pictures, never sound. What waits for it is in memory: pictures for 2 seconds, and no
more than 64 MiB of them for each camera; then the oldest are dropped and counted. Once that has begun, and until the encoder
has caught up, pictures wait for little more than 0.25 seconds. Sound waits for up to 30 seconds. When a recording is ended,
pictures that still wait have the rest of their 2 seconds. What waits, and what the encoder works at, is lost if the program is
killed.
{ENCODING}{FILES}{SERIES}
# EXAMPLES

Camera and microphone until Ctrl-C:

    mscli record clip.mp4

A minute, and what became of every frame:

    mscli record --duration 1:00 --json clip.mkv

Only the sound:

    mscli record --duration 5 voice.flac

Into a player:

    mscli record - | mpv -

In a small file:

    mscli record --video-codec hevc --quality 0.4 small.mp4

A failure if a frame is lost:

    mscli record --strict --duration 10 clip.mp4

{SERIES_EXAMPLES}Events into a file that the shell opens:

    mscli record --events /dev/fd/3 clip.mp4 3> events.jsonl
"""
