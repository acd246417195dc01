"""The prose of the man pages, by command. ``mscli.cli.manpage`` formats it and adds what the Click tree knows.

A line "# TITLE" begins a section. Text before the first one continues DESCRIPTION. Blank lines separate paragraphs. A line
that begins with ": " explains the line above it. Lines that are indented by four spaces stay as they are. `Backquotes` mark
what is typed (bold), _underscores_ mark placeholders (italics).
"""

from __future__ import annotations

# All commands that capture


CAPTURING = """
Constraints choose the device and its settings. See DEVICES, CONSTRAINTS and HOW SETTINGS ARE CHOSEN in `mscli`(1).
"""

FILES = """
# FILES

._FILE_.part
: the unfinished output, beside _FILE_. It is renamed to _FILE_ as soon as it can be read, or removed if that never happens.
See WHAT IS GUARANTEED in `mscli`(1).
"""


# mscli record: containers, codecs, quality and speed


ENCODING = """\
# CONTAINERS AND CODECS

The suffix of _FILE_ selects the container. Each container holds these video and audio codecs. The first of each is used
unless `--video-codec` or `--audio-codec` selects another:

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

Video is stored as 4:2:0 with 8 bits (`yuv420p`), which every player supports, except with `ffv1`. It keeps the matrix of the
camera (BT.601, BT.709, BT.2020 or SMPTE 240M; by default BT.601) and has limited range. The file names them, with primaries and
transfer. `vp8` always uses BT.601, `mjpeg` BT.601 with full range, and `ffv1` keeps both. HEVC in MP4 and QuickTime has the tag
`hvc1`, as Apple's players require. Copied HEVC has it once the file is finished. In a pipe, and in what a killed run leaves,
the tag is `hev1`. It stays, with a warning, if the camera changes its parameter sets meanwhile. Other players show such files.

WAV is Broadcast Wave (EBU Tech 3285): its chunk `bext` has the local date and time of the first sample, and as time reference
the number of samples since midnight, so that editors place recordings by the time of day. Above 4 GiB it becomes RF64.

An MP3 in a pipe ends with less than one frame of silence (24 ms at 48 kHz). Its first frame would have to say how much of the
last one counts, but a pipe cannot be changed afterwards. In a file it says so.

`ffv1`, `flac` and `pcm` are lossless. `ffv1` also keeps the camera's pixel format, such as 4:2:2 or RGB. `flac` and `pcm`
keep 24-bit and 32-bit samples, `pcm` also floating-point numbers; players need FLAC 1.4 or FFmpeg 6 for FLAC with 32 bits.
`flac` and `aac` have at most eight channels, `opus` and `pcm` 64. `h264`, `hevc` and `av1` cut off an odd column or row. `mp3`
has at most two channels. If a codec does not support a sample rate, the sound is resampled to the next higher rate, or to the
highest.

`h264:hw`, `hevc:hw` and `av1:hw` encode by hardware: the first of NVENC, Quick Sync, AMF, VideoToolbox and V4L2 that opens at
this frame size. If there is none, mscli prints a warning and encodes in software.

# QUALITY AND SPEED

`--quality` keeps the quality constant, whatever the bit rate. `--video-bitrate` keeps the bit rate constant. Without either,
`h264`, `hevc` and `av1` use a quality of 0.5, `mjpeg` uses 0.8, and `vp8`, `vp9` and hardware encoders use a bit rate of a
tenth of a bit per pixel. If an encoder cannot reach a bit rate, it uses the nearest one that it can; the same holds for sound.
These are the values of each encoder for a quality of 0, 0.5 and 1:

`h264`
: 36, 23, 10 (crf of x264)

`hevc`
: 40, 26, 12 (crf of x265)

`av1`
: 60, 40, 20 (crf of SVT-AV1)

`vp9`, `vp8`
: 60, 34, 8 (quantizer of libvpx)

`mjpeg`
: 31, 8, 1 (quantizer scale; a JPEG quality of 0.5 is also 8)

`--preset` uses the names of x264 for all encoders: `ultrafast`, `superfast`, `veryfast`, `faster`, `fast`, `medium`, `slow`,
`slower` and `veryslow`. A slower preset makes the file smaller, or improves the picture at the same bit rate. By default each
encoder is fast enough to work live; `h264` uses `veryfast`. mscli warns about options that an encoder does not have, and
ignores them.

There is a key frame, at which a player can start, after each second of the recording, at any frame rate. Copied video has the
key frames of the camera.
"""

ENCODING_OPTIONS = {  # option → details that its line of help has no room for
    "--audio-bitrate": "`flac` and `pcm` have no bit rate to choose.",
    "--audio-codec": "See CONTAINERS AND CODECS.",
    "--deinterlace": (
        "Some cameras capture the two fields of a picture one after the other, so that moving edges look like combs. FFmpeg's "
        "filter `bwdif` combines them into whole pictures. Pictures that are not interlaced stay unchanged. Without this "
        "option files are marked as interlaced."
    ),
    "--faststart": (
        "A player can then start before it has received the whole file. During the recording the file still consists of "
        "fragments, so that it can be read after a crash. At the end mscli writes a second copy, which needs as much disk "
        "space, and replaces the file by it. If that fails, mscli prints a warning and keeps the file as it is. So does a "
        "second Ctrl-C. `moov` in the report says where the index is."
    ),
    "--metadata": ("_KEY_ is `title`, `artist`, `album`, `genre`, `comment` or `copyright`. Every container can store them."),
    "--title": "In WAV it is also the description of `bext`, which is otherwise the name of the microphone.",
    "--no-metadata": (
        "By default a file contains the time at which its recording began, in UTC. MP4, MOV, Matroska and WebM also contain "
        "the device of each track. The option removes the name of the writing library too, except from Matroska and WebM, "
        "which must name one."
    ),
    "--preset": "See QUALITY AND SPEED.",
    "--video-bitrate": "Cannot be combined with `--quality`.",
    "--video-codec": "See CONTAINERS AND CODECS.",
}


# Fake devices


FAKE_DEVICES = """# FAKE DEVICES

`--fake-devices` replaces all hardware by a built-in camera, microphone, speaker, monitor and window. `--fake-devices-from`
_FILE_ replaces it by the devices that a JSON file describes. Only `kind` is required. `{"devices": []}` is a machine without
devices.

    {"devices": [
      {"kind": "videoinput", "deviceId": "v0", "groupId": "g0",
       "label": "Fake camera", "facingMode": "user",
       "modes": [{"width": 640, "height": 480, "frameRate": 30,
                  "pixelFormat": "YUYV"}],
       "controls": {"zoom": {"min": 100, "max": 400, "step": 10},
                    "exposureMode": ["continuous", "manual"]},
       "faults": {"dropEvery": 7}},
      {"kind": "audioinput", "label": "Fake microphone",
       "sampleRates": [44100, 48000], "channelCounts": [1, 2],
       "sampleSizes": [16], "latency": [0.01], "resample": true},
      {"kind": "audiooutput", "label": "Fake speaker"},
      {"kind": "display", "label": "Fake window",
       "displaySurface": "window"}]}

A display is a `monitor`, which is the default, a `window` or a `browser`. It is captured by its address, `window:Fake window`,
and has `modes` and `faults` as a camera. `monitor:` is what the first speaker plays.

A described microphone has only the listed sample rates and channel counts. With `resample` others are derived from them, as
for real microphones and the built-in one.

The built-in camera has the controls of a good webcam, whose effect can be seen in its picture: `--zoom 200`, `--brightness 30`,
`--exposure-time 500` and so on. `mscli capabilities --fake-devices` lists them.

A numeric control of a camera has `min`, `max` and `step` (1 by default). Any other control has a list, `values`. A control may
have a `default` and an initial `value`. It keeps what is set as long as the program runs. The bars and greys of the picture
show most of what controls change. `"pointsOfInterest": true` lets the camera meter at a point.

A `photo` member has what the camera can do for single photos: `redEyeReduction` is `never`, `always` or `controllable`, and
`fillLightMode` is a list of `auto`, `off` and `flash`.

Numbers have limits: sides up to 16384 pixels, 0.001 to 1000 frames per second, up to 64 channels and 1000000 Hz, controls up
to 10^12, times up to 10^9 seconds.

Unknown members are ignored, with a warning that names their path.

A speaker plays nothing, at its own pace. Its faults are those of a microphone that are about opening it and unplugging it.

The `faults` of a camera or microphone are:

`busy`, `denied`, `errorOnStart`
: if true, the device is used by another program, may not be used, or fails to start

`vanishAfterFrames`
: it is unplugged after this many frames (for a microphone: blocks of 10 ms)

`returnAfterSeconds`
: it is plugged in again this many seconds later

`stallAfterFrames`, `stallSeconds`
: after this many frames it sends nothing for `stallSeconds`, or forever

`dropEvery`
: one in this many frames is lost

`jitterMs`
: frames arrive, and are stamped, up to this many milliseconds early or late

`appearAfterSeconds`
: it is plugged in this many seconds after the start

`settleFrames`
: exposure and white balance of a camera take this number of frames to settle after each start

`blackFrames`, `frozenFrames`, `tornFrames`
: the first frames of a camera after each start are black, are the first one again, or break off in the middle (only MJPEG and
other encoded frames)

`changeAfterFrames`
: after this many frames a camera changes by itself to the size of its last mode

`hangOnOpen`, `hangAfterFrames`
: its driver hangs when it is opened, or in any call after this many frames, as bad drivers do

The picture shows, from top to bottom: eight colour bars down to 3/4 of its height (white, yellow, cyan, green, magenta, red,
blue, black, at 75 %), a white pointer on black that crosses it once a second, and 16 steps of grey. Over the bars, in the
middle of the picture, there is a code of 8 columns and 4 rows of square cells. The side of a cell is 1/16 of the shorter side
of the picture. White is 1, black is 0. In reading order the cells form a number of 32 bits, the highest first:

bits 31 and 30
: always 1 and 0

bit 29
: 1 if the picture flashes

bits 28 to 5
: the number of frames since the start of the camera, including lost ones, modulo 2^24

bits 4 to 1
: 15 xor each of the six hexadecimal digits of that number

bit 0
: always 1

Once a second, but not at the start, a picture flashes: everything except the code is white. At the instant of its capture a
beep begins: 1000 Hz at -6 dBFS for 50 ms, on top of a steady tone of 440 Hz at -30 dBFS. So the drops, the order and the offset
between picture and sound can be read back from any file.

"""


# mscli record: several files


SERIES = """
# SEVERAL FILES

_FILE_ may contain `strftime`(3) directives, which give the local time at which the file begins, and a counter: `%03d` is the
number of the file, with at least three digits, and `{index}` the number as it is. (`%d` is the day of the month, `%%` is a
percent sign.) Numbers in use are skipped. If the name of a folder contains a directive, the folder is created. With the options
below, a name with neither gets a number: clip.mp4 becomes clip-001.mp4. If two files would have the same time in their names,
the later ones get `_02`, `_03` and so on. Other files are only replaced with `--force`. Files of the same recording are never
replaced.

`--segment-duration`, `--segment-size` and `--segment-clock` split a recording into files that can be played separately. They
can be combined; whichever is due first starts a new file. Each file begins with a key frame at time 0, and sound is cut at the
same instant, to the sample. No frame or sample is lost or repeated between files. With `--video-codec copy`, H.264 is cut at
the key frames of the camera. Frames that are shown before such a key frame but come after it, as in an open group, end the
file before, which then also has the key frame as its last one (it counts as `duplicated`). A file can exceed `--segment-size`
only by a frame that is larger than all frames before it. A camera that sends nothing for more than a second does not delay a
new file: the file begins with its last frame. Copied H.264 begins with the last key frame instead, and continues with the next
key frame. If a copied camera is muted or away, and there is no sound, no file begins until its frames return.

`--split-on-silence` _DURATION_[`:`_DB_] starts a new file with the sound that follows a silence of that length, in which no
microphone reaches _DB_ dBFS (by default -50). The silence is at the end of the file before, so nothing is lost here either.

`--trigger` waits for a trigger. Meanwhile video and sound are encoded and kept in memory for the `--pre-roll`, up to 256 MiB;
if they need more, the pre-roll is shorter. A trigger begins a file with them, at the last key frame before the pre-roll, which
may be a second earlier, or two with several cameras, so that every camera can be decoded from the pre-roll on. The file ends
`--duration` after the trigger, or else with the next trigger or the end of the recording. Each trigger begins a file of its
own. What two files share is encoded once and is in both. PCM and FLAC begin and end at the exact sample. Opus, AAC and MP3
begin and end with whole packets, at the right times. A packet lasts at most 0.026 seconds at 44.1 kHz and above.

The trigger is a signal, `kill -USR1` _PID_, a line on stdin, or motion (see MOTION). A signal may come at any time. If it
comes while the devices are being opened, it counts, and its file begins with the first frame. However, SIGUSR1 ends the
process in the few hundredths of a second before Python has started the program. The kernel merges signals that arrive before
the program had a chance to run: they are one trigger. All that the kernel delivers are counted. Lines are never merged.

With `--trigger motion`, a file begins when motion begins, and another one whenever `--duration` has passed and it still lasts.

`--trigger sound`[`:`_DB_] begins a file with sound above _DB_ dBFS (by default -40) of any microphone, while no file is
written. The file ends `--duration` after its trigger, or after the silence of `--split-on-silence`, by default two seconds
below the same level.

At most 32 files can be open or waiting. A trigger beyond that, or during a pause, is missed: there is a warning, `triggers` in
the report tells how many were `counted` and `missed`, and `--strict` fails. At the end of the recording, waiting files and
frames get one more second. After that, triggers whose file has not begun are missed, and frames that are not encoded yet are
dropped.

The recording ends at the end of stdin, or with `--duration` when its last file has ended. The exit code is 0 and the reason is
`pipe`. `duration` and `frameRate` in the report describe the content of the files.

`--keep` removes the oldest finished files of this recording, and nothing else. It does not remove a file that has taken the
place of one of them.

Each finished file causes an event `segment`. The report lists the files that exist at the end.
"""

SERIES_EXAMPLES = """\
A file for every ten minutes of the clock, keeping the last 50 GB:

    mscli record --segment-clock 10m --keep 50G %Y-%m-%d_%H-%M.mp4

From nine seconds before each signal to fifteen seconds after it:

    mscli record --trigger SIGUSR1 --pre-roll 9 --duration 15 a-%02d.mp4

"""

SERIES_DETAILS = {  # see OPTION_DETAILS
    "--keep": "A plain number counts files. With a unit, as in `50G`, it limits their total size.",
    "--max-size": "The reason in the report is then `size`.",
    "--segment-clock": (
        "It must divide a day: `15m`, `1h`, `6h`. When the clocks go back, the repeated hour starts its files twice. When the "
        "system clock is set, the next file begins at the next mark that the clock shows, or at once if the clock was set "
        "ahead past a mark or by more than a whole file."
    ),
    "--trigger": "See SEVERAL FILES.",
}


# mscli record


RECORD = f"""
By default mscli records video and sound if _FILE_ can hold them, and sound only if there is a microphone. An option for one of
them, such as `--microphone`, requests it. `--camera` and `--microphone` can be repeated: MP4, MOV, Matroska and WebM hold a
track for every device, the other containers hold one track. `--frames` counts the frames of each camera; sound ends with
the last of them. With B frames, the recording ends in the order of display: it has every frame before the end, and none after
it. A copy keeps those after the end on which others before it depend, and counts `--frames` in the order in which they come.

_FILE_ can also be the address of a server: see PUBLISHING. A package can write to others: see PLUG-INS in `mscli`(1).

Frames keep the time of their capture. None is repeated or dropped to get a constant rate.

The suffix of _FILE_ or `--format` selects the container. `-` and `/dev/stdout` mean stdout; output for programs then goes to
stderr. Stdout, and any other pipe or device without a known suffix, gets Matroska.

# SEVERAL OUTPUTS

If more than one _FILE_ is given, all are written at once. What they have in common is encoded once: video with the same codec
and options, and sound with the same lossy codec. Each file gets the tracks that its container can hold. `--format`,
`--max-size`, `--segment-*` and `--trigger` apply to each file. The same file cannot be given twice, not even under another
name.

Each output is written on its own thread. If a disk or a reader is slow, up to 32 MiB wait for it. After that, packets are left
out of this output until there is room for a key frame. They count as `dropped`, with a warning. A source that waits for its
readers, such as a file, waits for the slowest output instead. An encoder that cannot keep up drops frames only from the outputs
with its codec. If an output fails, mscli reports its name at once and continues with the others. The recording ends when none
is left. A reader that takes nothing for 5 seconds after everything else is written has failed. The exit code is that of the
first file that failed, or else that of the first other output.
{CAPTURING}
# PUBLISHING

A recording goes to servers, too, alone or beside files. The first codec of each kind is used unless another one is chosen:

`rtmp://`_HOST_`/`_APPLICATION_`/`_KEY_, `rtmps://`
: `h264`, `hevc`, `av1`; `aac`, `mp3`, `opus`. `h264` and `aac` are what every server takes

`rtsp://`_HOST_`/`_PATH_, `rtsps://`
: `h264`, `hevc`, `vp8`; `aac`, `opus`, `mp3`; over TCP

`udp://`_HOST_`:`_PORT_
: MPEG-TS with `h264`, `hevc`; `aac`, `mp3`, `opus`. Nobody says whether it arrives

`icecast://source:`_PASSWORD_`@`_HOST_`:`_PORT_`/`_MOUNT_, `icecasts://`
: `mp3`; with the suffix `.ogg` `opus`, with `.aac` `aac`, and with `.webm` `vp8` or `vp9` with `opus`

_FOLDER_`/`_NAME_`.m3u8`, `http://`_HOST_`/`_PATH_`.m3u8`, `https://`
: HLS with `h264`, `hevc`; `aac`: a playlist and its latest six segments of two seconds, in a folder or on a web server that
takes PUT requests. A folder also gets _NAME_`-init.mp4` and _NAME_`-`_NUMBER_`.m4s`; two more segments stay for slow players.
WHAT IS GUARANTEED in `mscli`(1) holds for each of them: without `--force`, none is replaced. If one of them is removed or
replaced before the end, the exit code is 9. SIGKILL or a power cut costs the segment that is not complete

`srt://`_HOST_`:`_PORT_
: MPEG-TS as above, sent by the program `ffmpeg`, which must be on the `PATH` and know SRT

Settings of one output follow its address behind `#`, separated by commas: `bitrate` and `audio-bitrate` (as in `2M`), `size`
(as in `1280x720`), `video` and `audio` (codecs). Write a `#` in a key as `%23`. An output with the settings of a file shares
its encoding. With `--video-codec copy`, or `video=copy`, a camera's own H.264 goes out as it is.

    mscli record talk.mp4 'rtmp://host/live/KEY#bitrate=3M,size=1280x720'

If the first connection fails before anything was sent, the output has failed, with its cause: the exit code is 4 for a login or
a certificate, and otherwise 9. A server has 5 seconds to answer. Later, a server that is away, or takes nothing for 5 seconds,
is tried again after 0.5, 1, 2, 4 and then every 8 seconds, each a little more or less, until the end or for `--give-up`. The
stream then goes on with a new key frame. What was encoded meanwhile is left out, and counts as `dropped`. Files and other
outputs do not notice. If a server is still away at the end and anything was dropped, the exit code is 9. `--strict` fails if
anything was dropped at all. With HLS, what is in a segment that the server has taken counts as `sent`.

If a server takes less than is encoded for a second, H.264 gets fewer bits, down to an eighth, and more again later. An encoding
that a file shares keeps its bit rate. What waits for 3 seconds is left out up to the next key frame. Without `--video-bitrate`,
`--quality` or `bitrate`, an encoding for servers alone has a bit rate by its size: 0.1 bit for each pixel, as 2.8 Mbit/s for
720p at 30 frames/s.

Certificates are checked against those of the system, or those in `--ca-file`; `--insecure` trusts any. A user name and a
password may stand in `~/.netrc`. `MSCLI_TOKEN` completes the address of RTMP that ends with a slash, and is a bearer token for
HLS. Passwords, keys and queries are shown as `***`. What a user types is visible in the list of processes, as the arguments of
mscli; no other process has them as arguments.

# TIME-LAPSE

`--time-lapse 10s` takes the frame that is closest to each multiple of ten seconds after the first frame, and plays 30 of them
in a second. So a day becomes a film of almost five minutes. There is no sound. `--duration` counts real time; `--frames` and
the report count the film. If the camera sends no frame for a while, the film shows the previous one instead, and a warning
says how many are missing. A damaged frame is replaced by the next one. An interval is at least 0.1 seconds.
`--video-codec copy` copies the JPEGs of a camera; frames that depend on others cannot be copied.

# WHILE IT RUNS

On a terminal, a status line shows the keys and the state: `armed` (waiting for a trigger), `recording` with the time so far,
or `paused`. It also shows the number of the current file, the trigger, the size, the frame rate, lost frames, the peak of the
sound and how long the disk has room. The peak is in dB below full scale, with a mark at the highest peak of the last two
seconds, and `CLIP` if the sound was clipped. A narrow terminal shows fewer items. There is no status line with `--quiet` or
`--json`, or if `TERM` is `dumb`. These keys work while the line is shown:

`p`
: pause and resume. Frames in between are left out without a gap. A camera's H.264 continues with its next key frame, because
the frames before it cannot be decoded

`q`
: stop, like Ctrl-C

Programs control a recording with `--control`. See CONTROL in `mscli`(1).

# WHEN SOMETHING GOES WRONG

Even if the program is killed or the power fails, the file can be read up to the last second, unless an encoder is overloaded.
A time-lapse can be read up to the picture before the last one. See WHAT IS GUARANTEED in `mscli`(1). If the disk is full or
fails, the recording ends with exit code 9, and the file can be read up to there. The report counts what the file has, by
reading it again if it has less than a gigabyte; otherwise the last second may be counted that was cut off. A recording does not
start unless the disk has room for 10 seconds.

# TIME

All tracks share one clock, CLOCK_MONOTONIC. If a device starts late, loses data or stalls, the sound has silence, and the
previous frame is shown longer. The clock of a microphone always drifts a little. Once its sound is 5 ms out of place, the sound
is resampled to correct the drift, without an audible step. Until then every sample is written unchanged, so a WAV or FLAC from
a microphone with an accurate clock contains its exact samples. The report counts all corrections.

Timestamps of a device are kept if they are possible: not before the previous frame, and at most 0.1 seconds (for sound 0.5
seconds) after the frame arrived. Other timestamps are replaced by smoothed arrival times. A constant offset from the system
clock is removed. A clock that is up to 3 % slow or fast is corrected at its own rate, once it is two frames (at least 40 ms)
off, and a slow one after a minute, or once it is eight frames off, because a busy machine could cause less. All of these frames
count as `retimed`, with one warning. So wrong timestamps alone never cause silence, black frames or the end of a recording.

What is missing in a stall counts as `lost`: sound after 15 ms, and frames if at least two are missing between frames at the
usual interval. The longer intervals of a camera in the dark are not a loss. After 0.8 seconds, or while a device is away,
black or silence fills the gap until the next frame. It counts as `blank`, not as `lost`. A copied track (`--video-codec copy`)
gets no black frames: its last frame is shown longer, and the missing frames count as `lost`. MP4 and QuickTime cannot hold a
frame that lasts more than six hours. It is repeated there, and a copy continues with the next key frame: the frames before that
count as `damaged`. A late start is not a loss. A camera that starts more than a second late is black until its first frame,
unless it is copied; these frames count as `duplicated`. A camera that never sends a frame is an error.

# OVERLOAD

If an encoder cannot keep up, frames are dropped, but never sound. Frames wait for the encoder in memory for up to 2 seconds,
and up to 64 MiB for each camera. Then the oldest are dropped and counted, and until the encoder has caught up, frames wait for
little more than 0.25 seconds. Sound waits for up to 30 seconds. At the end of a recording, waiting frames get the rest of
their 2 seconds. If the program is killed, everything that waits or is being encoded is lost. If most frames of a camera are
dropped for 5 seconds, a warning says so once, and which track takes the time.

# MEMORY

MP4, MOV and M4A keep their index in memory until the file is finished: 75 bytes for each frame and each packet of sound, up to
256 MiB, while the process grows by up to twice as much. That is enough for 12 hours at 30 frames per second with sound. A
longer file stays in fragments, as all of these files are until they are finished. It can be played, but some players cannot
seek in it, or take long to open it; the report calls its index `fragments`. For recordings of many hours, use
`--segment-duration`, which finishes each file in time, or Matroska or WebM. These keep less than a byte for each frame, or
about 100 bytes for each frame of MJPEG, because every one is a key frame. An MP4 that is written into a pipe gets no index at
its end and needs 6 bytes instead of 75, up to 20 MiB:
`mscli record --format mp4 - | cat > day.mp4`.
{ENCODING}{FILES}{SERIES}
# EXAMPLES

Camera and microphone until Ctrl-C:

    mscli record clip.mp4

A minute, with a report on every frame:

    mscli record --duration 1:00 --json clip.mkv

Sound only:

    mscli record --duration 5 voice.flac

To a player:

    mscli record - | mpv -

A file for an archive, one for the web, and one with the sound:

    mscli record clip.mkv clip.webm sound.flac

A small file:

    mscli record --video-codec hevc --quality 0.4 small.mp4

Fail if a frame is lost:

    mscli record --strict --duration 10 clip.mp4

{SERIES_EXAMPLES}Events to a file that the shell opens:

    mscli record --events /dev/fd/3 clip.mp4 3> events.jsonl

A recording that other programs control:

    mscli record --control unix:/run/user/1000/mscli clip.mp4
"""


_PROGRAM = """
mscli chooses and configures cameras and microphones like a browser, by the constraints of W3C Media Capture and Streams, but
from the shell.

Without a command, `mscli` shows which devices are there and what can be done with them now.

Results for programs go to stdout, text for people goes to stderr. Only the tables of `devices` and `capabilities` go to stdout
too. An error is one line, `mscli: error:` _sentence_, with hints below it. If the standard defines the error, its name follows
in parentheses. A capture never waits for a reader of stderr: lines are kept for a slow reader, and dropped when the command
ends.

A capturing command ends on SIGINT (Ctrl-C), SIGTERM or SIGHUP. Its output then contains everything captured before, and the
exit code is 0. A second SIGINT ends the command at once; the output is closed within five seconds, however many signals come. A
signal during the start ends the program with exit code 130. In the few hundredths of a second before mscli runs, Python handles
the signal. With `--trigger`, SIGUSR1 is counted as soon as mscli runs. Otherwise it ends the program. If the reader of a pipe
takes nothing for about a second after a signal, mscli gives up on it and exits with code 9; the reader keeps what it has read.
mscli waits for a slow reader, and for a file on any disk.

# DEVICES

A _DEVICE_ can be a deviceId, a path, a name, or a part of a name that only one device has. They are tried in this order. A
path is a device node (`/dev/video0`, `/dev/snd/pcmC1D0c`) or a link to it, an ALSA address (`hw:1,0`), or the sound server's
name of a source. Links of udev in `/dev/v4l/by-id`, `/dev/v4l/by-path` and `/dev/snd/by-id` can be given without the folder.
Case does not matter in names. If several devices match, or none, the error lists the candidates.

`--camera` and `--microphone` can be repeated. `record` makes a track for each device, the cameras first. The name of the
device is the title of its track. All devices are opened before the first one starts, and all tracks share one clock.
Constraint options apply to every device of their kind. If one of several cameras is lost, the others continue, and the exit
code is 8. A recording ends when no camera or no microphone is left. `none` in place of a _DEVICE_ means no such track. Naming
a device twice is a usage error. `snapshot`, `capture` and sound files take one device.

A _DEVICE_ can also be the name of a media file or of a FIFO, `-` for stdin, `fd:`_N_ for a descriptor, or another address,
_SCHEME_`:`_REST_, of the network or of an installed package. See MEDIA FILES, PIPES, SCREEN, NETWORK and PLUG-INS. A name
without `://` and without the suffix of a media file is looked up among the devices first. User names, passwords, the values of
a query and the keys of RTMP are shown as `***`.

If no device is given, mscli uses the one that fits the constraints best. If several fit equally, it uses the default device. If
a device is busy or does not start, mscli uses the next one that fits, with a warning.

A microphone of a sound server is recorded from that source only, even if another one becomes the default. While it is muted in
the server, its track is muted: there is an event `mute`, and the output contains silence. If you request fewer channels than a
device has, the channels are mixed. Channels with loudspeaker positions are mixed in the usual way. Without positions, mono is
the mean of all channels, and more channels are the first ones. Surround channels such as 5.1 come in the order of WAV.

`--channels` opens the device with all its channels, takes some of them in the order given, and copies their samples bit by bit.
They are numbered from 1 in the order of a recording of all channels. They also have the names of loudspeakers (`FL`, `FR`,
`FC`, `LFE`, `BL`, `BR`, ...), and `AUX0`, `AUX1`, ... on a sound server that knows no loudspeaker for them. `--mix-down` mixes
all channels, or those of `--channels`, to one or two: by their loudspeakers, or else as the mean, for stereo of the odd ones on
the left and of the even ones on the right.

Several microphones are several tracks, each with the name of its microphone as title, in step on one clock: gaps are filled and
drift is corrected. `--mix` makes one track of them, in step in the same way, which fits into every file. A microphone that
stalls or is unplugged is silent in the mix. `--gain` _DB_ amplifies all microphones, `--gain` _NAME_`=`_DB_ the one with this
name, as it was given or as a part of its label, also without `--mix`. What exceeds full scale is clipped.

`--monitor` plays the sound of every microphone while it is captured, on the default speaker or on _SPEAKER_, about 50 ms after
it was captured. It never holds up the capture: if the machine is busy, the speaker plays silence. The report counts these
`underruns`, and has the mean `latency` and the silence `missed`, both in seconds, under `monitor`. If the speaker is gone, the
capture goes on, and it is heard again once it is back. There is a warning if a microphone and the speaker are parts of one
device, because they may feed back. In the list of devices, a microphone that records what a speaker plays is a `monitor`; in
JSON, `monitorOf` is the deviceId of the speaker.

Samples are kept as the device delivers them if you ask for its own sample rate and size: `--sample-size exact:24` or `exact:32`
for a device with more than 16 bits. 32 bits of a sound server's source with floating-point numbers stay such numbers in WAV,
raw data and PCM, also above full scale. Nothing else is done to the sound.

A deviceId is a hash. It stays the same after a reboot, and when the device is plugged into the same port again. It does not
depend on the number in `/dev/video`_N_, and is the same for every user of a machine. It is computed from:

camera
: its port, serial number and name, and its position among the nodes of one device

microphone or speaker of a sound server
: the port and serial number of its sound card, the number of the device on the card, and the current profile; without a card,
the server's name of the device

microphone or speaker without a sound server
: the port, serial number and name of its sound card, and the number of the device on the card

A port is the path in sysfs from the controller through all hubs, without the number of the USB bus, which may change at the
next boot. So identical devices differ by their ports, and a device gets a new id in another port. Devices that are alike in
everything (two nodes of v4l2loopback with one name) are numbered in the order of their nodes. A groupId is a hash of the port
and serial number of the physical device (USB device, PCI function). The camera and the microphone of a webcam have the same
groupId.

# DURATIONS, SIZES AND RATES

All options share one grammar:

_DURATION_
: `90`, `1.5` or `90s` for seconds, `10m`, `1h30m`, `2d`, `1:30` (minutes and seconds), `1:02:03`

_SIZE_
: `100000` or `500k`, `500M`, `4G`, `1T` for bytes; `64MiB` and `4GiB` in powers of 1024

_BITRATE_
: `640000`, `800k` or `2M` for bits per second

_WxH_
: `1280x720`, or `720p`, `1080p`, `4k`, `8k` for the 16:9 size with that number of lines

_RATE_, _RATIO_
: `30`, `29.97`, `30000/1001`, `16:9`

# CONSTRAINTS

A constraint is an option such as `--frame-rate` _VALUE_, or `-c` _NAME_`=`_VALUE_ with the name from the standard: `-c
frameRate=30`. A _VALUE_ is one of:

`1280`, `ideal:1280`
: the preferred value; the nearest available one is used

`exact:1280`
: the required value; otherwise the command fails with exit code 6

`exact:29.97`
: a rate with two or more decimals also accepts any rate that rounds to it, such as 30000/1001 (in JSON it is exactly this
number)

`min:640`, `max:1920`
: required limits

`min:640,ideal:1280,max:1920`
: several of these, each at most once

`16:9`, `16/9`, `1.78`, `exact:4:3`
: an aspect ratio

`true`, `false`
: a switch

`user|environment`
: one of several strings

`0.5,0.5`, `0.2,0.3|0.7,0.3`
: points, as fractions of the width and height

`--size 1280x720` sets width and height at once. `--size exact:1280x720` requires both. A value that cannot be parsed is a
usage error, and so are limits that no value can satisfy, and a word that the standard does not define.

`--constraints` takes the object that a web page passes to getUserMedia, in a file or on the command line. It is JSON, or up to
64 KiB of JSON5 (https://spec.json5.org/): unquoted keys, single quotes, trailing commas and comments. Its values are converted
as in a browser (WebIDL).

    {"audio": false,
     "video": {"width": {"min": 640, "ideal": 1920}, "frameRate": 30,
               "advanced": [{"aspectRatio": 1.7777777778}]}}

A JSON array of such objects requests one stream each, and all their tracks are recorded. Each track has a device of its own: it
is an error if there are too few (3). To record one camera twice, require the same `deviceId` in both objects. Give `--camera`
once for each video track of the array, in its order, or not at all.

# CAMERA CONTROLS

The controls of a camera are constraints too, with the names and units of the standard (MediaStream Image Capture). `mscli
capabilities` lists the controls of a camera with their ranges. Setting them does not interrupt the frames. Controls that you do
not set keep their values.

`exposureMode`, `whiteBalanceMode`, `focusMode`
: `continuous` (automatic) or `manual`

`exposureTime`, `colorTemperature`, `focusDistance`
: in 100 microseconds, in kelvins, and in a unit of the camera. They need the mode `manual`, which they set unless you set the
mode yourself

`exposureCompensation`
: in EV, while `exposureMode` is not `manual`

`brightness`, `contrast`, `saturation`, `sharpness`, `iso`, `torch`
: in units of the camera; `torch` is `true` or `false`

`pointsOfInterest`
: points to meter and focus on, such as `0.5,0.5|0.2,0.8`, as fractions of the width and height. A USB camera with a region of
interest needs Linux 6.16 or newer

`backgroundBlur`
: `true` or `false`

`pan`, `tilt`, `zoom`
: `pan` and `tilt` in 1/3600 of a degree, `zoom` in a unit of the camera. `true` prefers a camera that has the control, and sets
nothing

A control that is only preferred never excludes a camera. With `exact`, `min` or `max`, only a camera that has the control and
the value is used; otherwise the command fails with exit code 6 and says what the control can be set to. (A web page gets a
TypeError for these, and has to apply them later.) The settings contain the values that the camera accepted.

`v4l2:NAME` is a control of the driver that has no name here, as `v4l2-ctl --list-ctrls` calls it: `-c
v4l2:power_line_frequency=1`. Its values are numbers; those of a menu are the numbers of its items.

`--save-settings FILE` saves the controls as an object for `--constraints`, which sets the camera again; “-” is stdout.
`--restore` restores all controls at the end, even after a signal. `mscli capabilities` shows what each is set to, its default,
and why one is inactive.

# HOW SETTINGS ARE CHOSEN

The candidates are all native modes of all devices, and all smaller sizes and lower rates that can be derived from them
(`resizeMode` `crop-and-scale`: cropped centrally, then scaled down, never up). Sound can be resampled to other rates and mixed
to other channel counts. Candidates that do not satisfy the required constraints (`exact`, `min`, `max`) are excluded. Each of
the others has a fitness distance, which the standard defines: how far it is from the ideal values. The one with the smallest
distance is used. Distances that differ by less than 0.0005 are a tie. Ties are broken by, in this order:

1.
: the default device, then the others in the order of `mscli devices`

2.
: the mode in which the camera already runs for another track

3.
: a native mode before a derived one

4.
: among derived ones: the shape of a native mode, then a native size

5.
: the smaller distance without rounding; among derived ones, an even size

6.
: if nothing was requested: 640 × 480 pixels at 30 frames per second, or mono sound at 48000 Hz with 16 bits; and echo
cancellation, gain control and noise suppression if the device has them

7.
: a pixel format that `--format` can use without conversion

8.
: the pixel format that keeps most of the picture: RGB before YUV, less subsampling before more, raw before compressed

9.
: the order in which the driver lists its modes

The same devices and constraints always lead to the same choice. `--explain` shows how: every candidate with its distance for
each constraint or the constraint that excluded it, the satisfied advanced sets, and what broke the tie. If nothing fits, the
error names the constraint that failed, the constraints that cannot hold together, and the closest settings that work.

# WHAT IS GUARANTEED

For every file that mscli writes:

name
: The file gets its name when it can be read, and never before. Until then it is `.`_FILE_`.part` beside it. If a killed run has
left a `.part`, the next run that writes the same _FILE_ reports it and keeps it.

folder
: The file is created in the folder to which its path leads at the beginning, even if the path changes later. In a sticky folder
such as `/tmp`, mscli does not follow links or write to pipes, sockets or devices of another user, unless that user owns the
folder. The same holds for `--events`.

one writer
: A second run of mscli that would write the same file at the same time fails with exit code 9.

changes by others
: If the file was moved, removed, replaced or shortened meanwhile, the exit code is 9, and the error says where the file is, if
it still exists. A series continues with a warning.

mode and owner
: The file keeps the mode and owner of the file that it replaces, as far as the user may set them. If its group differs, the
group gets no more rights than everyone. A file of another user in a sticky folder such as `/tmp` passes on neither.

disk
: `record` and `capture -o` write data within half a second, and flush it to the disk at least twice a second. A picture of
`snapshot` is on the disk before it gets its name. SIGKILL or a power cut costs at most the last second.

A folder in which files can be created but not removed is enough. The `.part` then stays as a second name of the file, with a
warning. A block device is only overwritten with `--force`.

For everything that mscli reads and prints:

names
: The name of a device or file cannot control the terminal or break a line. Control characters (U+0000 to U+001F, U+007F to
U+009F), line separators (U+2028, U+2029) and direction marks (U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069) are
shown as `\\x1b` or `\\u202e`, and written as `\\u202e` in JSON. Completion never offers such a name. It offers the path or the
id of the device instead.

input
: A picture from the network can have at most 8192 × 8192 pixels, or as many of another shape, and one from a file or a pipe
16384 × 16384. A larger one is refused before it is decoded, with exit code 5 if it is the first. To record the largest from the
network takes 1.5 GB of memory. A file of constraints or fake devices can have at most 16 MiB. Only the first twenty unknown
names get a warning each. The others are counted.

output
: With `--json`, every line on stderr is JSON: a warning is `{"warning": "..."}`, an error is `{"error": {...}}`. If memory,
threads or open files run out, the error names the resource.

# MOTION

`--trigger motion` of `record` and `snapshot` is pulled by motion before the first camera. Ten times a second, a frame is
scaled to 160 pixels of grey, blurred, and compared with the background: the mean of the frames before, in which the newest one
weighs a tenth. A pixel has changed if it differs by more than 16 of 255. There is motion if enough pixels have changed: 1 % of
them, or as `--trigger motion:`_SENSITIVITY_ says, from 10 % for 0 over 1 % for 0.5 to 0.1 % for 1. If more than 80 % change at
once, that is light, and the background begins anew. Motion ends after 2 seconds without any. Its beginning is one trigger.
When it begins and ends, there is an event `motion` with `active` and the `share` of the pixels.

# PREVIEW

`--preview` of `capture`, `record` and `snapshot` shows the picture while the command runs: in a window if there is a display,
else in the terminal. `--preview window`, `--preview terminal` and `--preview web` choose. A preview shows the newest frame and
drops the others, on a thread or in a process of its own, so that no output waits for it. It shows what `--crop`, `--flip`,
`--rotate` and `--timestamp` make of the picture. In a terminal, `mscli capture --preview` without an output writes nothing, and
ends with its preview.

`window`
: A window of OpenCV. Its title has the camera, the size, the rate and the level of the sound. `q`, Escape and the window
manager close it. Other outputs go on.

`terminal`
: The terminal of stderr, also over ssh: by the protocols of kitty or iTerm2, as sixels, with half blocks in 24-bit colours if
`COLORTERM` says so, else in 256, or with characters if `NO_COLOR` is set or the terminal has no colours. At most 15 pictures a
second are drawn, and fewer if that takes more than a tenth of a core. Below are the settings, the latest message and the status
line, whose keys work. Escape closes the preview, and other outputs go on. Sound alone is shown as a meter.

`web`
: A page for browsers. Its address is printed at the start, with `--json` as `{"preview": "..."}` on stderr, and contains a
random token. `stream.mjpg` behind that address is the stream for other programs, `snapshot.jpg` the next picture, and
`status.json` has size, rate and level. `--listen`
_ADDR:PORT_ says where it listens; by default at a free port of 127.0.0.1, where only this machine can connect. Elsewhere the
connection is not encrypted, and everybody on its way can read the token. At most 16 viewers can connect. A connection takes the
place of one only with the token, which it must send within 2 seconds. Until then there can be 8 from one address, and 64
altogether: the next one replaces the oldest. The JPEGs of a camera are passed on; other pictures are encoded once for all
viewers.

# JSON

With `--json`, a command prints one JSON document. Properties have the names and units of the standard: pixels, frames per
second, Hz, seconds.

`devices`
: an array of objects with `deviceId`, `kind` (`videoinput`, `audioinput`, `audiooutput` or, with `--kind display`, `display`),
`label`, `groupId`, `default` and `backend`. A device may also have a `path`. A display also has `displaySurface` (`monitor` or
`window`), `x`, `y`, `width` and `height`. One that cannot be used has `problem` and `remedy`. `--watch` prints a line at the
start and for each change: `type` (`devicechange`), `time`, `wallTime`, `added`, `removed` and `devices`. Both lists are empty
if only the default device changed, or if a device became usable.

`capabilities`
: an object with `deviceId`, `kind`, `label`, `groupId`, `capabilities` and `modes`. A mode has `width`, `height`, `frameRate`,
`pixelFormat`, and with `--probe` `measuredFrameRate`. If the driver offers a range instead of a number, it is an object with
`min`, `max` and perhaps `step`. `unusable` lists what the device offers but mscli cannot use: `what` and `why`. For a file or a
pipe with video and sound, `sound` is the same object for its sound.

`--dry-run`
: an object with `tracks`. Each has `kind`, `label`, `settings`, `constraints`, and for a camera the native `mode`. With
`--explain` each also has `distance`, `decidedBy` (what broke the tie), `advancedKept` and `candidates`. A candidate has
`derived`, `mode`, and either `settings`, `distance` and `distances`, or `excludedBy`.

`-v`, at the start
: the same, for the devices that were opened

at the end
: an object with `files`, `duration` in seconds, `reason` (`duration`, `frames`, `size`, `signal`, `ended`, `pipe` or `error`),
`tracks` and `avOffset`: how many seconds video begins after sound, for the first track of each kind. With `--trigger` it also
has `triggers`: how many were `counted` and `missed`. For MP4, MOV and M4A it has `moov`, the place of the index: `end`,
`front`, or `fragments` if the file could not be finished or is very long (see MEMORY). A track has `kind`, `label`,
`settings`, `frames` (for sound: samples per channel), `dropped` (by mscli, because it could not keep up, or because H.264 could
not be decoded after a pause), `lost` (before they reached mscli, by the driver, the hardware or a stall, or because they were
damaged or depend on lost ones), `duplicated`, `blank` (those among `frames` that are black or silent, because the device was
muted), `damaged` (see DAMAGE), `retimed` (those with an impossible timestamp), `bytes`, and for video the measured `frameRate`.
For sound it has `silence` (samples filled in, also for a late start), `skipped` (samples that came twice, too early or after
the end), if drift was found `driftPpm`: how fast the clock of the microphone runs, in millionths, and `levels` (see LEVELS).
`warnings` contains a sentence for each track with more than 5 % damaged frames, for each microphone that was silent or clipped,
and for each output that was too slow. With several outputs, all this describes the first one, and `outputs` has an object for
each: `name`, `files`, `bytes`, `duration`, `error` (null if there is none), `exitCode` (of this output), `moov` and `tracks`.
An output to a server has `publishing`: `sent` and `dropped` (pictures, or packets of sound alone), `reconnects`, and `bitRate`
(bits per second while there was a connection). What was dropped or lost before an output was added does not count there.

an error, on stderr
: an object with `error`, which has `name`, `message` and perhaps `hints`. An OverconstrainedError also has `constraint`,
`conflict` and `nearest`.

# LEVELS

`record`, and `capture` with its status line or `--json`, measure sound on its way into the output by EBU R 128 and ITU-R
BS.1770. The status line has the loudness of the last 400 ms (`M`) and of everything so far (`I`) in LUFS, and the true peak
(`TP`) in dBTP. `levels` of a sound track in the report has:

`integrated`, `momentaryMax`
: the loudness of everything without its quiet parts, and the highest of 400 ms, in LUFS

`truePeak`, `samplePeak`
: the largest value, also between the samples, in dBTP, and the largest sample in dBFS

`clipped`, `silent`
: how many samples of all channels are at full scale, and how many seconds are below -60 dBFS

What is silent has null. More than two channels only have a loudness and a true peak if they have loudspeakers, and more than
eight are not measured. There is a warning at the end if a microphone never came above -60 dBFS, or was clipped.

`--silence-timeout` _DURATION_[`:`_DB_] warns while it runs of a microphone that stays below _DB_ dBFS (by default -60) for that
long. The recording goes on.

# DAMAGE

A run that should write frames or samples, and wrote none, fails with exit code 5. The code is 8 if the output contains
something else, such as the sound recorded with a camera whose frames were all damaged. The error says how many frames came and
why the last one could not be used. A signal before the first frame, or a trigger that never came, is not an error.

mscli checks what a camera encodes before it uses it. A frame that cannot be decoded completely is left out, and counts as
`damaged` and `lost`. After five such frames in a row, the next ones are shown as far as they can be decoded, except by
`snapshot`. They count as `damaged`, but not as `lost`. Frames that are passed on undecoded, by `--video-codec copy`, `--format
native` or `snapshot` to JPEG, must be complete. A JPEG must reach from its start marker to its end marker, in the size of the
camera's mode. Bytes outside the markers are left out. What is between them only shows when the picture is decoded, so one that
lacks a piece of its middle is passed on, and does not count as `damaged`. Of H.264 and HEVC, bytes before the first start code
are left out. They begin with the first picture at which decoding can start and that has parameter sets: an IDR or CRA picture,
or a recovery point. Frames before it, and those after it that depend on them, count as `lost`, but not as `damaged`; a
`snapshot` only waits for it. If a frame of H.264, HEVC, VP8 or VP9 is lost, those that depend on it, up to the next key frame
at most, show remains of other pictures. They are passed on, decoded or not, and count as `damaged`. Of the images in a pipe or
a stream, one that is cut off is left out, and the next one follows. A JPEG counts as `damaged` and `lost`, a PNG or PNM image
as `lost`.

`--frames` _N_ counts only frames that are in the output, so not the black of a muted camera that is copied. If more than 5 %
of the frames are damaged, there is a warning during the run and another at its end. The command ends if no frame can be used
for twice as long as a device may take for its first frame (`--timeout`).

# EVENTS

`--events` _FILE_ writes each event as a JSON object on its own line. An event has `type`, `time` (seconds on CLOCK_MONOTONIC)
and `wallTime` (UTC). An event of a track also has `track` (its id), `kind` and `label`. Events are appended to an existing
file. If _FILE_ is a named pipe, the command waits for a reader before it starts. `-` is stdout, where the result of `--json`
comes last. _FILE_ cannot be an output. The types are:

`settings`
: a device was opened, or its settings changed; `settings` are the current ones

`mute`, `unmute`
: a device stopped sending frames, and `reason` says why; or it sends them again. See DEVICES THAT FAIL

`overconstrained`
: the settings of a device changed, so that the constraints cannot hold; `constraint` is one that fails, and `reason` explains
it

`ended`
: the device is gone or failed; `reason` says why

`warning`
: a device sends something that cannot be right; `reason` says what, and what mscli does about it

`silence`, `sound`
: a microphone was silent for the `--silence-timeout`, in `seconds`; or it sounds again

`start`, `pause`, `resume`, `stop`, `segment`, `error`
: a recording started, paused, resumed or stopped, a file of a series was finished, or the recording failed. They have `file`.
`stop` also has `reason`, and `error` has the error. Each output has its own events. If one fails, it has an `error` while the
others continue, and if a command removes one, it has a `stop` with the reason `removed`

`publishing`, `interrupted`, `resumed`
: a server takes the stream, is away, or is back. They have `file`, `sent`, `dropped` and `reconnects`; `interrupted` also has
`reason`

`answer`, `error` with `ok`
: a command was executed or refused. See CONTROL

`motion`
: motion before a camera has begun or ended: `active`, and the `share` of the picture that has changed. See MOTION

`devicechange`
: a device of the machine was added or removed, or the default changed: `added`, `removed` and `devices`, as in `devices --watch
--json`.

# CONTROL

With `--control`, `record` and `capture` take commands while they run. A command is a JSON object on a line, with the name of
the command, its argument, and optionally an `id`. `--control -` reads commands from stdin. The end of stdin changes nothing.
`--control unix:`_PATH_ creates a socket. Only its owner may connect, with up to 16 connections at a time. The socket exists
before the devices are opened, and is removed at the end. An old socket that nobody listens on is replaced, but nothing else,
and none of another user in a sticky folder such as `/tmp`. A link of another user there is not followed.
Commands that are sent before the run has started are executed when it starts. The commands are:

`{"pause": true}`, `{"resume": true}`
: pause and resume, like the key `p`

`{"stop": true}`
: stop, like SIGINT

`{"trigger": true}`
: begin a file of a recording with `--trigger`, like the signal

`{"enabled": {"video": false}}`
: make a track black or silent, or show it again. Name a track by its id, or all tracks of a kind by their kind

`{"applyConstraints": {"video": {"width": 640}}}`
: change the settings of a track, with the constraints of a browser's applyConstraints. A recording keeps its size. A change
of size is refused while an output of `capture` holds raw pictures, because their reader would not notice

`{"snapshot": "picture.png"}`
: write the next frame as a picture. The name may contain a time and a number, as for a recording

`{"addOutput": "more.mkv"}`, `{"removeOutput": "more.mkv"}`
: add an output, and finish one. The name of a new one may contain a time and a number

Each line gets one answer, in the same order: an event (see EVENTS) with `ok`. If the command was executed, the type is
`answer` and `ok` is true. `settings` contains the settings of each track that `applyConstraints` changed, `ignored` contains
unknown constraint names, and `file` is the name of the picture or of the new output. Otherwise the type is `error`, `ok` is
false, and `error` is the error. Both repeat the `id` and the name of the command. A wrong line never ends the run. Answers go
to the socket that the command came from. Answers to `--control -` go to `--events`, or else to stdout, or to stderr if stdout
carries media.

A line can have at most 1 MiB. A client that sends commands faster than they are executed has to wait. A client that reads no
answers for 5 seconds is disconnected. A command that hangs in a driver does not delay the end of the run.

A recording that takes commands, and commands from a shell with `socat`, each with its answer:

    mscli record --control unix:camera.sock film.mkv &
    send() { echo "$1" | socat -t 5 - UNIX-CONNECT:camera.sock; }
    until send '{"snapshot": "now.png"}'; do sleep 0.1; done
    send '{"applyConstraints": {"video": {"frameRate": 15}}}'
    send '{"addOutput": "copy.mkv"}'
    send '{"pause": true}'
    send '{"resume": true}'
    send '{"removeOutput": "copy.mkv"}'
    send '{"stop": true}'
    wait

The same from Python:

    import json, socket
    camera = socket.socket(socket.AF_UNIX)
    camera.connect("camera.sock")
    answers = camera.makefile("rw")
    def send(command):
        print(json.dumps(command), file=answers, flush=True)
        return json.loads(answers.readline())
    print(send({"snapshot": "then.png"})["file"])
    print(send({"enabled": {"video": False}, "id": 1})["ok"])
    print(send({"zoom": 2})["error"]["message"])
    print(send({"stop": True})["ok"])

Programs that use the library pass the same commands to `perform` of a `mscli.RecorderRun`.

# LOG

`--debug` logs to stderr what mscli does: requests to drivers and their answers, the choice of settings, every change of a
device's state, every encoder with its settings, every file that begins or ends, and what is lost or dropped, with the reason
and the number, in at most one line a second. `MSCLI_LOG` sets the level: `debug` logs everything, `info` what begins, ends and
changes, `warning` what is lost. A line has the time in seconds on CLOCK_MONOTONIC, as in events and in the kernel's log, the
part of mscli, the level and the text. With `--json` it is an object with `time`, `logger`, `level` and `log`. Lines that do
not fit into stderr in time are dropped and counted.

Programs that use the library get the same log from Python's `logging`, from the logger `mscli` and those below it:
`mscli.cli`, `mscli.control`, `mscli.demux`, `mscli.device`, `mscli.element`, `mscli.encode`, `mscli.media`, `mscli.motion`,
`mscli.negotiate`, `mscli.network`, `mscli.opencv`, `mscli.pipe`, `mscli.preview`, `mscli.queue`, `mscli.raw`, `mscli.record`,
`mscli.screen`, `mscli.sinks`, `mscli.sound`, `mscli.v4l2`, `mscli.web`.

# MEDIA FILES

A media file can take the place of a camera, of a microphone, or with `-i` of both. It is named by its path, or by `file:` and
its path. Every container that FFmpeg reads is supported. The file is a track like any other: constraints crop, scale, thin out
and resample it, and `mscli capabilities` _FILE_ shows what it can be set to. Its best video and sound are used. Subtitles and
cover pictures are left out. Rotated video is turned upright.

A file plays at its own pace, from `--start` on, on the clock of all other tracks. So it can be recorded beside a microphone.
With `--no-pace` it is read as fast as the output takes it, and nothing is dropped. It cannot be recorded beside a device then.
With several `-i`, the tracks of all of them are recorded.
`--start` is exact to the picture and to the sample. `--loop` begins the file again at its end, without a gap in the
sound. A frame rate that varies is kept. If the times of a file or pipe with sound jump ahead by more than ten minutes, the gap
is left out, with a warning, because silence would have to fill it. Times that step back, as where files were joined, go on
after what came before. Times that cannot be true (wrong for some packets, the same for all, or with a step that only one track
takes) are replaced by what the pace of the track expects. They count as `retimed`, with one warning.

At the end of the file, the command ends with exit code 0, or with 8 if `--duration` or `--frames` requested more. Packets that
are damaged count as `lost`.

Video is decoded, unless the output takes it as it is: `--video-codec copy` writes the packets of H.264, HEVC, VP9, VP8 and
MJPEG unchanged. A copy begins with the first key frame at or after `--start`. Rotated video cannot be copied.

In Python, a `MediaElement` plays a file as a web page's does: `play`, `pause`, `current_time`, `loop`, `playback_rate` (the
pitch is kept; sound is heard from 0.5 to 4), and the events of HTML. It plays other addresses and a `MediaStream`
(`src_object`) too. Its sound is heard on the default speaker, or on that of `set_sink_id`; `MediaDevices.select_audio_output`
returns one. If the speaker is unplugged, it goes on unheard until that is back. With `window=True` it shows its pictures.
`capture_stream` returns a stream of what it plays. `URL.create_object_url` gives a `Blob` a `blob:` address, which is an input
in the same process until `URL.revoke_object_url`.

In Python, an `AudioContext` mixes, filters and compresses sound as a web page's does. `MediaStreamAudioSourceNode` takes the
sound of a stream, `MediaStreamAudioDestinationNode` gives a stream to record, and `destination` is the speaker. An input that
stalls is silent. Sound is mixed 40 ms after its capture, or later with another `latency_hint`.

# PIPES

What another program writes can be recorded like a camera: `-` is stdin, `fd:3` an open descriptor, and a FIFO is named by its
path. Several can be read at once. mscli finds out by the first bytes what comes: YUV4MPEG2, JPEG, PNG, PGM, PPM, PAM, or any
container that FFmpeg can read from a pipe. Raw video and raw sound must be described:

    PROGRAM | mscli record -i - --input-format rawvideo \\
        --input-size 640x480 --input-pixel-format rgb24 x.mkv
    PROGRAM | mscli record -i - --input-format s16 \\
        --input-rate 44100 x.wav

Sample formats are `u8`, `s16`, `s32` and `f32`, in the byte order of the machine. `--input-format` can also name a format of
FFmpeg, if it is found out wrongly. `--input-rate` is 25 pictures or 48000 samples per second by default.

A picture without a container gets the time at which it arrives, and is passed on as soon as its last byte is there. Raw sound
is timed by its samples, and again by its arrival if the writer has stalled. A container is played by its own times. With
`--no-pace` the pipe is read as fast as the output takes it, and the writer waits; pictures without a container are then
stamped by their number. If the writer stalls, its tracks are muted, see DEVICES THAT FAIL; with `--no-pace` they wait for it.
If it ends within a picture without a container, that picture is lost, with a warning. Bytes between images are skipped. The end
of the pipe is the end of the recording, as with a file. `--start` and `--loop` are only for files.

# SCREEN

`--screen` captures the main monitor, `--screen` _NAME_ the monitor with that name, for which there are also addresses:

`screen:`, `screen:`_NAME_
: the main monitor, or the one with that name

`window:`_TITLE_
: a window, by its title, a part of it, or its number (`window:0x3a00007`)

`region:`_W_`x`_H_`+`_X_`+`_Y_
: a part of all monitors together

`mscli devices --kind display` lists monitors and windows. They are tracks like any other, but their pictures are only scaled
and thinned out, never cropped. At most 120 pictures are taken a second, and only if something has changed. While a screen is
still, its last picture is passed on twice a second. A black picture of a screen is a picture, so `snapshot` does not wait for
another.

A window is captured as a whole, also where it is covered or off the screen. While it is minimised, its track is muted. If a
window, a monitor or the screen changes its size, the track follows. A window that is closed and an X server that ends are
devices that are unplugged, see DEVICES THAT FAIL.

`--cursor` says when the pointer is in the picture: `always`, `never`, or in `motion`, which is until one second after it has
moved. It can be changed during the capture.

`monitor:` is a microphone that records what the default speaker plays, and `monitor:`_SPEAKER_ what another one does:
`--screen --microphone monitor:`. It needs a sound server, PulseAudio or PipeWire.

In Python, `MediaDevices.get_display_media` captures a display by the rules of W3C Screen Capture. The program chooses the
display by `surface=`_ADDRESS_, or the hints in the options do. On Wayland without `surface`, the user is asked each time.

The Python packages that this needs come with `pip install 'mscli[screen]'`. On X11, `DISPLAY` names the display and
`XAUTHORITY` the file with its cookie.

On Wayland, where `WAYLAND_DISPLAY` is set, a program does not see the displays. A dialogue of the desktop asks which one to
capture: a monitor for `screen:`, a window for `window:`. A name of your own may follow, such as `screen:left`. Each such choice
is kept in `$XDG_STATE_HOME/mscli/screens.json`, by default in `~/.local/state`, and the next time nobody is asked. Remove the
file to be asked again. Displays are not listed, and there are no regions. `--reconnect` uses the kept choice once, without a
dialogue that waits. If you stop the sharing in the desktop, the track ends. If the desktop draws the pointer itself,
`--cursor` only counts when the display is opened. Wayland needs PipeWire, libpipewire, and xdg-desktop-portal with its part
for the desktop. A desktop that only has pictures in the memory of the graphics card (DMA-BUF) cannot be captured. Unset
`WAYLAND_DISPLAY` to capture what runs in XWayland.

On macOS and Windows, FFmpeg captures the screen. This was never tried on such a machine. macOS has monitors only. On Windows,
`screen:` is all monitors together, and `window:` needs the whole title of a window, or its number.

# NETWORK

A camera of the network, or another stream, is named by its address:

`rtsp://`_HOST_`/`_PATH_, `rtsps://`...
: what most network cameras speak. The media come through the same TCP connection, or by UDP if the server has nothing else.

`http://`_HOST_`/`_PATH_, `https://`...
: MJPEG (`multipart/x-mixed-replace`); HLS; a live stream in any container that FFmpeg reads; a picture, which is asked for once
  a second, or as often as `--input-rate` says; or a media file, which is played as one on a disk. A file that the server cannot
  serve in parts is read from its beginning to its end.

`rtmp://`_HOST_`/`_APPLICATION_`/`_NAME_, `rtmps://`...
: a stream of a media server.

`tcp://`_HOST_`:`_PORT_
: what a server sends to whoever connects. The formats of PIPES are understood too.

`udp://`_ADDRESS_`:`_PORT_
: MPEG-TS and what else is sent to this port of this machine, or to a multicast group. `?localaddr=`_ADDRESS_ chooses the
  interface; an IPv6 group names it: `udp://[ff12::1%eth0]:5000`.

`srt://`_HOST_`:`_PORT_
: only if the FFmpeg in PyAV has it. If not, the error says how `ffmpeg` can take its place.

    mscli record --camera rtsp://camera/1 --microphone usb \\
        --video-codec copy door.mkv

`rtsp://`_USER_`:`_PASSWORD_`@`_HOST_ logs in, with Basic or Digest. `~/.netrc` is read for hosts without a login in the
address. In a password, write `/` as `%2F`, `?` as `%3F` and `#` as `%23`. Certificates are checked; with HLS, only that of the
playlist. `--insecure` reads from a server although its certificate cannot be trusted.

`--video-codec copy` writes the H.264, HEVC or MJPEG of a camera unchanged. Sound is always decoded.

A container is timed by its sender's clock, brought onto ours as that of a microphone, so that its tracks stay in step. Pictures
of MJPEG have no times of their own, so each gets the time at which it arrives. What has arrived is passed on at once: nothing
is held back against jitter, except for the first tenth of a second, to find out how late the stream is, and for 0.2 seconds at
most if packets of UDP are missing in RTSP. HLS comes many seconds at once and is played at its own pace.

RTSP, RTMP and HLS are read by a process of its own. On Linux it takes at most 1 GiB of memory, ten times what a 4K stream
needs, so that no server can fill the memory of the machine. A stream that needs more is an error.

A server has to answer within 5 seconds (`--timeout`). A stream that stops or breaks off is a device that fails. With
`--reconnect` its tracks are black and silent until the server is back. It is tried again at once, after half a second, and then
after twice as long each time up to 8 seconds, and up to a quarter of that more. A stream has no end of its own: when the server
ends it, the exit code is 8. A file ends with exit code 0.

# DEVICES THAT FAIL

A device that sends no frame for 0.8 seconds (a slow device: for three frames) is muted. Until its frames return, the output is
black or silent, with the times that the frames would have had. mscli gives up on a device that stays
muted for 2 more seconds, that sends no first frame within 5 seconds, or whose driver takes longer to answer when it is listed,
queried or opened. Other devices are still listed and used. `--timeout` _FIRST_`,`_THEN_ sets both times. `--timeout` with one
time sets both to it.

A camera whose driver reports a privacy switch (the V4L2 control `privacy`) is muted while the switch is on, but mscli does not
give up on it. The same holds for a camera with an input (HDMI, SDI, television) without a signal. When a signal returns, the
camera is set to it and continues. A digital input without a signal cannot be opened.

A device that is unplugged, that fails, or that mscli has given up on has ended. The output is finished, and the exit code is 8,
or 5 if there was no frame yet.

`--reconnect` waits for a lost device. If the same device (by its deviceId) returns in time, the capture continues in the same
output. The gap is black or silent. `--fallback` replaces a lost device by the next one that satisfies the constraints, at once
or after the time of `--reconnect`. It does not replace a device that was named exactly, as by `--camera` and `--microphone`
(`-c deviceId=`_ID_ only prefers a device). The new device is set to the size and rate of the output, if possible; sound is
converted to its former format. In both cases the events are `mute`, whose `reason` says what happened, `settings` if the
device or its settings changed, and `unmute`. There is an `ended` only if no device could continue.

If the driver or another program changes the settings of a device during a capture, mscli follows: the event `settings` has the
new ones. This includes the frame size and rate of a camera (the driver is asked twice a second), a new signal at its input,
and its controls. An output keeps its size and rate if they can be derived from the new settings. If a constraint cannot hold
any more, there is an event `overconstrained`, and the output is black or silent (`mute`) until it holds. If the output has no
frame yet, the command ends with exit code 6. A monitor or window that changes its size is never muted for that: the constraint
is ignored until it holds.

A hanging driver does not block anything else. A call that does not return is abandoned, with a warning. After SIGINT, SIGTERM
or SIGHUP that takes at most two seconds.

"""

_PROGRAM_END = """# PLUG-INS

Other Python packages can add sources and sinks for the scheme of an address or the suffix of a file. Such a package declares
an entry point in the group `mscli.sources` or `mscli.sinks`, named after the scheme or suffix. A sink takes frames, or packets
that mscli has encoded, together with the other outputs of a recording. mscli looks for packages if it
does not support a scheme or suffix itself. If two packages support the same one, neither is used. An error in a package is
reported with its name. A sink that does not return from a call within 10 s is abandoned, and other outputs continue. An address
that nothing supports is a NotSupportedError. `.github/CONTRIBUTING.md` in the sources of mscli shows how to write a package.

Most sources are live, like a camera. Other sources wait for their readers, like a file without pace. None of their frames is
dropped, the frames keep their times, a pause makes them wait, and the end of such a source is no error (exit code 0). One
recording cannot contain both kinds.

# EXAMPLES

List the devices:

    mscli devices

Take the largest picture that the camera supports:

    mscli snapshot --size 9999x9999 picture.jpg

Show what would be used for 60 frames per second, and why:

    mscli record --frame-rate 60 --dry-run --explain clip.mp4

Use the constraints of a web page, from a file:

    mscli snapshot --constraints constraints.json picture.png

Record two cameras and a microphone, with one track each:

    mscli record --camera brio --camera obs --microphone usb x.mkv

# LICENCES

mscli is under the MIT licence. The `av` package that pip installs beside it contains FFmpeg (LGPL, version 3 or later), x264
and x265 (GPL, version 2 or later). This places no duty on you if you only use mscli. If you distribute a whole installation,
as an image, as a package or on a device, you also distribute these programs and must follow the GPL: include the source of
x264 and x265, or an offer of it. Only `--video-codec h264` and `hevc` use them.

# SEE ALSO

`ffmpeg`(1), `v4l2-ctl`(1), `arecord`(1)

W3C Media Capture and Streams, https://www.w3.org/TR/mediacapture-streams/

W3C MediaStream Recording, https://www.w3.org/TR/mediastream-recording/
"""

PROGRAM = _PROGRAM + FAKE_DEVICES + _PROGRAM_END

DEVICES = """
The table shows the kind of each device, its name, its path if it has one, and its deviceId. `-v` adds its
groupId and the backend that found it. Devices that cannot be used are listed too. The reason and a remedy are printed to
stderr, or with `-v` in two columns. If another program uses a device, the list shows its name and process id, as far as this
user may see them.

With `--watch` the table is printed again after every change. On a terminal it is redrawn in place. A mark shows devices that
were added (`+`), removed (`-`, until the next change) or changed (`~`: another default, or usable now). On Linux mscli sleeps
until the kernel, udev or the sound server reports a change. On systems without such reports, it looks every 2 seconds. The
command ends with exit code 0 on SIGINT (Ctrl-C), SIGTERM or SIGHUP, and when the reader of its output leaves or the terminal
is closed. It does not disturb recordings, not even those of other programs.

# FILES

`/dev/video`_N_
: cameras; other nodes of a camera, which send no frames, are not listed

# EXAMPLES

Print a line of JSON whenever a device is plugged in or out:

    mscli devices --watch --json

Show the groups, which tell what belongs together:

    mscli devices -v
"""

CAPABILITIES = """
The first table shows the settings of the device, as ranges and lists of values, with the names of the
standard. The second one shows the native modes of a camera: pixel formats, sizes and frame rates. After that come formats and
modes that the device lists but that cannot be used, with the reason: formats that mscli does not support, and impossible
modes. `-v` shows them in the other commands too. No device is started, except with `--probe`, which takes up to 3 seconds for
each mode.

# EXAMPLES

A camera by part of its name, for programs:

    mscli capabilities brio --json

Measure the real frame rates:

    mscli capabilities --probe
"""

NAMES = """\
_FILE_ can contain the time, as in %Y-%m-%d_%H-%M-%S, and a number, as in %03d: the next one that is free. See SEVERAL FILES in
`mscli-record`(1).
"""

SNAPSHOT = f"""
The picture is the first complete frame of the camera once its exposure and white balance have settled. `--constraints` for
sound are ignored.

{NAMES}{CAPTURING}
{FILES}

# SETTLING

A camera that has just been started takes a moment until exposure and white balance are right. The first frames are skipped
until brightness and colour have no trend any more, for at most 2 seconds; `--settle 5s` sets another limit. If they have not
settled then, there is a warning. A camera whose exposure and white balance are both manual is not waited for. `--settle 10`
skips 10 frames instead. Damaged, black and green frames are not the picture either: if there is nothing else for that time, the
exit code is 5. `--settle off` skips none of these, and takes the first whole frame, even a black one.

The noise of a camera makes each of its frames different, so a frame that is equal to the one before is skipped as frozen. If
all are equal for half of that time, the scene is still, as before a virtual camera or an HDMI grabber, and the picture is
taken. `-v` and `--json` say what was skipped.

# SERIES OF PICTURES

`--count`, `--interval`, `--at-clock`, `--trigger`, `--burst` and `--bracket` take several pictures. Intervals count from the
first picture, so that they do not drift. A picture that is late does not delay the next one. Times that pass while a picture
is taken, or while the camera is away, are missed, which a warning says. With `--no-pace`, `--interval` and `--delay` count in
the file's own time, and `--at-clock` and `--trigger` are refused. Without `--count`, a series goes on until Ctrl-C, or until
stdin ends with `--trigger stdin`.

`--burst` takes consecutive frames, and saves them when all are there, or sooner if they take more than 1 GiB of memory. Ctrl-C
ends a burst with the frames that have come. `--bracket` sets the exposure compensation, or
multiples of the exposure time if the exposure is manual or the camera has no compensation, and puts it back afterwards. A
warning says what the camera cannot set. `--best-of` keeps the frame with the sharpest edges. `--average` keeps the mean.

If a picture cannot be written, because the disk is full for example, the series ends with exit code 9. With `--keep-going` it
goes on with the next picture. There is a warning at once and at the end, which says how many pictures are missing, and the exit
code is 9.

FILE gets a number if it has neither a time nor a number: `shot.jpg` becomes `shot-001.jpg`. Existing files are kept, and
numbers in use are skipped, unless `--force` is given.

The camera stays open between pictures, unless they are more than a minute apart. `--close-between` closes it, and
`--keep-open` does not.

`--latest` makes a symbolic link to the newest picture. A link of that name is replaced, any other file only with `--force`.

`--exec` runs a command for each picture without a shell, at most 4 at a time. If one fails, or does not end within 10 seconds
after the last picture, there is a warning, and the exit code is 9. A second Ctrl-C terminates those that run. What they print
goes to stderr. With `--json` it is dropped, so that every line there is JSON.

# PICTURES

PNG, TIFF and PGM keep grey of 10 to 16 bits; all other formats have 8 bits per sample. PGM is always grey. The JPEG of a
camera is saved without encoding it again, unless `--crop`, `--flip`, `--rotate`, `--timestamp` or `--quality` changes it.

Pictures contain the time with its zone, the camera and its maker, its exposure, ISO and white balance, and all settings as
JSON: in EXIF, or in a comment in PPM and PGM. `--no-metadata` leaves that out.

`--show` draws the picture in the terminal: by the protocols of kitty or iTerm2, as sixels, or with half
blocks. Nothing is drawn if `TERM` is `dumb`.

# EXAMPLES

As close to Full HD as possible:

    mscli snapshot --size 1920x1080 picture.png

Exactly this size, or fail:

    mscli snapshot --size exact:1280x720 picture.png

To a pipe:

    mscli snapshot --format jpeg - > picture.jpg
"""

CAPTURE = f"""
{NAMES}
The format of an output is that of `--format`, else that of the suffix of its name, else raw data. These have names:

`rawvideo`
: Frames without a header, packed: one plane after the other, without padding. `--pixel-format` says which, by the name of V4L2,
WebCodecs or FFmpeg; case does not matter.

`y4m`
: YUV4MPEG2, whose header contains the size, the rate and the range of luma. Its matrix is BT.601. It carries I420, I422
and I444.

`mjpeg`, `h264`
: JPEGs one after the other, and H.264 as Annex B with parameter sets before each key frame: those of the camera, or encoded.

`multipart`
: JPEGs as parts of multipart/x-mixed-replace, as web servers send them, with the boundary `ffmpeg`.

`npy`
: One array of NumPy: frames × height × width × channels, for planar formats the planes below one another, or flat frames if the
planes do not fit together; samples × channels for sound. A file is valid while it grows. In a pipe, the header has the number
of `--frames`, and without that option an array of one frame, which the others follow.

`wav`, `pcm`, `s16le`, `s24le`, `s32le`, `f32le`
: Sound, interleaved. `wav` and `pcm` have the samples of the microphone. With the suffix `.wav`, sound is captured unless
options ask for video.

`matroska`
: A container (`.mkv`) for picture and sound that keeps their times: H.264 and Opus. Both kinds of track in one output need it.
Otherwise, with `--audio --video`, each output takes the track that it can hold: `-o frames.y4m -o sound.wav`.

Where a format is expected, a pixel format such as I420 or a sample format such as s16 (in the byte order of the machine) means
raw data. When the reader of a pipe leaves, the capture ends normally.

`--print-ffmpeg` and `--print-gst` start nothing. They print what makes `ffmpeg` and `gst-launch-1.0` read the output, for a
shell: the options up to `-i FILE`, and the source with the elements that read it.

`--format native` and `--pixel-format native` pass on the camera's pixels unchanged, including grey and Bayer formats of up to
16 bits, and HSV. Any other format is a conversion. RGB and grey of limited range (16 to 235) are then
expanded to the full range.

Readers can join and leave a socket at any time: `-o unix:/run/cam.sock` for programs of the same user, `-o
tcp://127.0.0.1:9000` for everybody who can reach that address. Each of up to 64 readers gets the header of the format and then
whole frames, from a key frame on. Without a reader, frames go nowhere. For a slow reader, up to 64 MiB wait; then its oldest
frames are dropped, and nobody else notices. A path where nobody listens any more is taken over; one that is in use, or a port
that is, is an error. A socket carries no container.

A named pipe waits for its reader, without holding up other outputs. If the reader leaves, the output ends. With `--reopen`, it
waits for the next reader, who gets the header again and whole frames. Frames that come meanwhile are held and dropped as for a
slow reader.

`-o shm:`_NAME_ writes a ring of frames into shared memory, which any number of programs of this user on this machine read
without copying. See RING OF FRAMES.

`-o v4l2:`_DEVICE_ shows the pictures on a virtual camera, which any program uses like a camera. See VIRTUAL CAMERA.

A reader that is slower than the source finds frames in a queue, for each output, of 64 MiB of video, two seconds of it, or 30
seconds of sound. `--buffer` sets another bound, in bytes or in time; a single frame always fits. `--when-full` says what a full
queue does:

`drop-oldest`
: Drop the oldest frames, so that the reader gets the newest ones. This is the default for devices.

`drop-newest`
: Drop frames that come, so that what is in the queue has no gaps.

`block`
: Make the source wait. This is the default for a source that can wait: a file or a pipe with `--no-pace`. A device never waits;
for it this is `drop-newest`.

Frames that depend on a dropped one are dropped too. Dropped frames are counted in the report, in the log and in `--frame-log`.

`--frame-log FILE` writes a line of JSON for each frame, before the frame itself, and for no other frame. FILE may be a named
pipe or a descriptor such as `/dev/fd/3`. With several outputs, it is the log of the first one. A line has these members:

`index`
: The position of the frame in the output, from 0 on.

`sequence`
: The number that the driver gave the frame. If its numbers rise by more than one at the nominal rate, as those of fields do,
they are divided.

`timestamp`, `wallTime`
: The time of its capture: in microseconds on CLOCK_MONOTONIC, and in UTC. With `--no-pace`, `timestamp` counts from the
beginning of the source and `wallTime` is when the frame was written.

`width`, `height`
: The size of the written picture in pixels.

`bytes`
: How much the frame adds to the output, with what precedes it, such as a header.

`lost`, `dropped`
: How many frames are missing before it: lost before they reached mscli, and dropped because the reader is too slow or the frame
was damaged. Together they are the gap in `sequence`, without frames that are left out during a pause or for a lower frame rate.
A decoded picture has its number in the order in which it came, which is not that of display if the camera uses B frames. A
frame then counts as dropped once it is 16 lines late.

`settings`
: The settings that have changed since the frame before. Most lines have none.

For sound there is a line for each block. `index`, `sequence`, `lost` and `dropped` count samples per channel, `bytes` includes
the silence that fills the gap before the block, and `width` and `height` are null. If the log cannot be written, the capture
ends with exit code 9, and keeps the frames so far.

`-o` can be given several times. Each output has its own queue and thread, so one that fails or is slow does not affect the
others, and the command continues while one is left. The exit code is that of the first file that failed, else that of the first
other output.

A raw stream has no timestamps. Missing sound is filled with silence. Lost frames leave a trace only in the report; `record`
keeps the time of every frame.

All raw frames of a stream have the format and size of the first one, even if the camera changes or is replaced. A stream of
encoded frames, from `native`, never contains raw ones: there are no black frames while the camera is muted or away,
missing frames count as lost, and `--fallback` only accepts a camera that encodes in the same format.
{CAPTURING}
# VIRTUAL CAMERA

On Linux, `-o v4l2:/dev/video20` makes a camera for other programs of whatever mscli captures: a camera with `--crop` or
`--timestamp`, a screen, a file, a stream. `mscli record talk.mp4 v4l2:/dev/video20` shows what it records. The device is one of
the driver v4l2loopback (package `v4l2loopback-dkms`), or any other that takes pictures. To make one:

    sudo modprobe v4l2loopback video_nr=20 exclusive_caps=1
    mscli capture --screen -o v4l2:/dev/video20

With `exclusive_caps=1` it is a camera while mscli writes to it, which Chromium needs. Browsers may have to be told to look for
cameras again.

The size and the rate are those of the track. Pictures pass in their own format if it is one that most programs read (I420,
YUYV, NV12, UYVY) and the device takes it. Otherwise they are converted to the first of these that it takes. `--pixel-format`
chooses another one. An odd last column or row is left out in formats whose pixels share their colour. If the pictures or the
device have another size, they are scaled.

If no frame comes in time, the last one is shown again, as it is during a pause. A track that is muted, or whose device is lost
and awaited with `--reconnect`, is black. A source without pace is held to its own times. If the device is slower than the
source, frames are left out, and count as `dropped`.

One program can write to a virtual camera at a time. If it is in use, or gone, the exit code is 9. It is free once mscli ends.

# RING OF FRAMES

A ring of `-o shm:`_NAME_ holds the newest frames: raw ones, or with `--format mjpeg`, `h264` or `native` encoded ones. In
Python, `mscli.open_ring("NAME")` reads it. It is POSIX shared memory with the name `/mscli-NAME`, on Linux the file
`/dev/shm/mscli-NAME`. It exists while the capture runs, and only its user can open it. A ring whose writer has died is
replaced; otherwise a second writer is an error. No reader can make the writer wait: it overwrites the oldest frame, and a
reader notices that. All numbers are little-endian. The memory begins with these:

0
: `MSCLIRNG`, 8 bytes

8, 12
: the version, 1, and where the slots begin, 4096; 32 bits each

16, 20, 24
: the number of slots (32 bits), where the data begins in a slot, 128 (32 bits), and the size of a slot (64 bits). Before the
first frame, the number is 0 and the slots are not there: map the memory again then

32, 36
: the process of the writer, and 1 while it writes or 2 at the end; 32 bits each

48
: how many frames have been written; 64 bits

56
: a word of 32 bits that changes with each frame. On Linux, a reader can wait for that with futex(2)

Frame number _n_, from 0 on, is in slot _n_ modulo the number of slots. A slot begins with these:

0
: the lock, 64 bits: 2 _n_ + 2 if the frame is whole, and odd while it is written. Look at it before and after you use the
frame; if it has changed, the frame is torn

8, 16, 24
: _n_, the time of its capture in microseconds of CLOCK_MONOTONIC, and the number that the driver gave it; 64 bits each

32, 40, 44
: the size of the data in bytes (64 bits), and the width and the height in pixels (32 bits each)

48
: 1 if decoding can start at the frame; 32 bits

56
: the pixel format or the codec, up to 16 bytes, filled with zeros

128
: the data: packed planes one after the other, or the encoded frame

A program that reads the newest frame without mscli:

    import mmap, os, struct
    fd = os.open("/dev/shm/mscli-camera", os.O_RDONLY)
    size = os.fstat(fd).st_size
    ring = mmap.mmap(fd, size, access=mmap.ACCESS_READ)
    assert ring[:8] == b"MSCLIRNG"
    begin, slots, head, step = struct.unpack_from("<4xIIIQ", ring, 8)
    (count,) = struct.unpack_from("<Q", ring, 48)
    at = begin + (count - 1) % slots * step
    lock, number, time, _ = struct.unpack_from("<Qqqq", ring, at)
    size, width, height = struct.unpack_from("<QII", ring, at + 32)
    name = ring[at + 56 : at + 72].rstrip(b"\\0").decode()
    data = ring[at + head : at + head + size]
    now = struct.unpack_from("<Q", ring, at)[0]
    state = "whole" if now == lock == 2 * number + 2 else "torn"
    print(number, time, width, height, name, len(data), state)

# EXAMPLES

Thirty raw frames:

    mscli capture --size 640x480 --format RGB24 --frames 30 -o frames.rgb

Into another program:

    mscli capture --format y4m --duration 5 | ffmpeg -i - clip.mkv

Pipe raw frames into ffmpeg, with the options that describe them:

    mscli capture | ffmpeg $(mscli capture --print-ffmpeg) clip.mkv

An array for NumPy:

    mscli capture --pixel-format RGB24 --frames 100 -o frames.npy

Sound:

    mscli capture --audio --no-video --format s16 > sound.pcm
"""

MANUALS: dict[str, str] = {  # command → its text; "" is the program itself
    "": PROGRAM,
    "devices": DEVICES,
    "capabilities": CAPABILITIES,
    "snapshot": SNAPSHOT,
    "record": RECORD,
    "capture": CAPTURE,
}

OPTION_DETAILS = (
    ENCODING_OPTIONS
    | {  # option → details that its line of help has no room for
        "--advanced": "A set that no remaining candidate satisfies is skipped.",
        "--audio": "`--no-audio` leaves it out, whatever other options request.",
        "--camera": "A part of a name must match only one camera. `none` means no video. See DEVICES in `mscli`(1).",
        "--ca-file": "A file in PEM format. See PUBLISHING.",
        "--give-up": "The others continue. See PUBLISHING.",
        "--control": "See CONTROL in `mscli`(1).",
        "--constraint": "Repeatable. An unknown name is ignored with a warning.",
        "--constraints": "At most 16 MiB. Options override it property by property. With an array, every track is recorded. "
        "Several are merged like an array.",
        "--crop": (
            "_W_, _H_, _X_ and _Y_ are pixels of the camera's picture. The picture is cropped first, then flipped, rotated, "
            "and captioned last. The line at the start says what size comes out. Video that is copied cannot be changed."
        ),
        "--debug": "See LOG in `mscli`(1).",
        "--dry-run": "The camera's light stays off.",
        "--events": "See EVENTS in `mscli`(1).",
        "--exposure-mode": "For this and the options up to `--torch`, see CAMERA CONTROLS in `mscli`(1).",
        "--explain": "The table goes to stderr. With `--dry-run --json`, the object contains the candidates.",
        "--fake-devices": "See FAKE DEVICES in `mscli`(1).",
        "--fake-devices-from": "See FAKE DEVICES in `mscli`(1).",
        "--input": "Repeatable in `record`. See MEDIA FILES in `mscli`(1).",
        "--pace": "With `--no-pace`, nothing is dropped. See MEDIA FILES in `mscli`(1).",
        "--input-format": "For this and the options up to `--input-channels`, see PIPES in `mscli`(1).",
        "--insecure": "See NETWORK in `mscli`(1).",
        "--json": "It goes to stdout, or to stderr if stdout carries media. See JSON in `mscli`(1).",
        "--font": "By default it is a sans serif of OpenCV, which has Latin and Cyrillic letters.",
        "--frame-log": "See DESCRIPTION.",
        "--fallback": "With `--reconnect`, it waits for that time first. See DEVICES THAT FAIL in `mscli`(1).",
        "--preview": "See PREVIEW in `mscli`(1).",
        "--reconnect": "See DEVICES THAT FAIL in `mscli`(1).",
        "--screen": "A following word without dot, slash or colon is the name. See SCREEN in `mscli`(1).",
        "--strict": "Black frames and silence in their place count too. The exit code is then 10, and the output is kept.",
        "--timeout": "One duration sets both. See DEVICES THAT FAIL in `mscli`(1).",
        "--timestamp": (
            "The line is in the lower left corner. _LINE_ is text with the directives of strftime, for the local time at "
            'which the frame was captured, and `{device}` for the name of the camera: `--timestamp="%H:%M:%S garden"`. It '
            "needs OpenCV 5."
        ),
        "--video": "`--no-video` leaves it out, whatever other options request.",
    }
    | SERIES_DETAILS
)

ENVIRONMENT = {
    "MSCLI_TOKEN": "A stream key, or a bearer token. See PUBLISHING in `mscli-record`(1).",
    "MSCLI_LOG": "`debug` logs everything to stderr, like `--debug`. `info` and `warning` log less. See LOG in `mscli`(1).",
    "MSCLI_FAKE_DEVICES": "`1` acts like `--fake-devices`. The name of a file acts like `--fake-devices-from`.",
    "NO_COLOR": "If set, mscli prints no colours.",
}
