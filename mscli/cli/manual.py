"""What the man pages say beyond the Click tree: the prose, by command. ``mscli.cli.manpage`` sets it.

A line "# TITLE" begins a section; what stands before the first one goes on with DESCRIPTION. Blank lines part paragraphs. A
line that begins with ": " says what the line above it means. Lines that are indented by four spaces stay as they are.
`Backquotes` are around what is typed (bold), _underscores_ around what stands for something else (italics).
"""

from __future__ import annotations

from mscli.cli.manual_common import CAPTURING, FILES
from mscli.cli.manual_encoding import ENCODING_OPTIONS
from mscli.cli.manual_fake import FAKE_DEVICES
from mscli.cli.manual_record import RECORD
from mscli.cli.manual_series import SERIES_DETAILS

_PROGRAM = """
Cameras and microphones are chosen and set as in a browser, by the constraints of W3C Media Capture and Streams, but from
the shell.

Results for programs go to stdout, text for people to stderr; only the tables of `devices` and `capabilities` go to stdout,
too. An error is one line, `mscli:` _NAME_`:` _sentence_, and below it lines that say what to do about it.

A command that captures ends on SIGINT (Ctrl-C), SIGTERM or SIGHUP with everything captured before in its output, and exit
code 0. A second SIGINT ends it at once: what is written is closed, however many signals come, in five seconds at most. A
signal while the program starts ends it, with exit code 130; before its first line is run, some hundredths of a second, Python
decides how. The reader of a pipe that takes nothing at all for about a second after a signal is given up, with exit code 9:
what it has taken stands. One that is only slow is waited for; and a file, however slow its disk is.

# DEVICES

Where a command takes a _DEVICE_, these are tried in this order: a deviceId, a path, a whole name, and a part of a name that
only one device has. A path is that of a node (`/dev/video0`, `/dev/snd/pcmC1D0c`) or of any link to it, an ALSA address
(`hw:1,0`) or a sound server's own name of a source; the links that udev makes in `/dev/v4l/by-id`, `/dev/v4l/by-path` and
`/dev/snd/by-id` need no folder. Case makes no difference in names. If several devices match, or none, the error lists the
candidates.

Where none is given, all devices of the kind compete: the one that fits the constraints best is used, and among equals the
default one. A device that is busy, or does not start, is passed over for the next that fits, with a warning.

A deviceId is a hash of what stays the same over a reboot and when a device is plugged into the same port again, and never
of the number in `/dev/video`_N_. It is the same for every user of a machine. It is made of

camera
: its port, serial number and name, and its place among the nodes of one device

microphone, speaker of a sound server
: its sound card's port and serial number, the device's number on the card and the profile in effect; without a card, the
server's name for it

microphone, speaker where no sound server runs
: its sound card's port, serial number and name, and the device's number on the card

A port is the path in sysfs from the controller through all hubs. The numbers of USB buses, which may be others after the
next boot, are no part of it. So two equal devices are told apart by their ports, and a device in another port is another
one. What nothing tells apart (two nodes of v4l2loopback with one name) is counted in the order of the nodes. A groupId is a
hash of the port and the serial number of the physical device (USB device, PCI function) that a device is part of: a webcam's
camera and its microphone have the same one.

# CONSTRAINTS

A constraint is an option such as `--frame-rate` _VALUE_, or `-c` _NAME_`=`_VALUE_ with the standard's own name: `-c
frameRate=30`. A _VALUE_ is one of

`1280`, `ideal:1280`
: what is wanted, as near as it can be had

`exact:1280`
: this and nothing else, or the command fails with exit code 6

`min:640`, `max:1920`
: bounds that must hold

`min:640,ideal:1280,max:1920`
: several of these, each at most once

`16:9`, `16/9`, `1.78`, `exact:4:3`
: an aspect ratio

`true`, `false`
: for what is on or off

`user|environment`
: one of several strings

`--size 1280x720` is width and height at once, and `--size exact:1280x720` requires both. A value that does not parse is a
usage error.

`--constraints` takes the object that a page gives to a browser's getUserMedia, verbatim, in a file or on the command line.
Its values are converted as a browser converts them (WebIDL).

    {"audio": false,
     "video": {"width": {"min": 640, "ideal": 1920}, "frameRate": 30,
               "advanced": [{"aspectRatio": 1.7777777778}]}}

# HOW SETTINGS ARE CHOSEN

Every native mode of every device is a candidate, and so is every smaller size and lower rate that can be made of one
(`resizeMode` `crop-and-scale`: cropped in the middle, then scaled down, never up). Sound is resampled to rates and mixed to
channel counts that a microphone does not have. Those that do not satisfy the required
constraints (`exact`, `min`, `max`) are excluded. The others have a fitness distance, which the standard defines: how far
they are from what is ideal. The nearest one is used. Distances that differ by less than 0.0005 are a tie, which is broken
by, in this order:

1.
: the default device, then the others in the order of `mscli devices`

2.
: the mode in which a camera runs already, for another track

3.
: a native mode before one that is derived

4.
: of the derived ones: the shape of a native mode, then a native size

5.
: the nearer one, exactly taken; of the derived ones an even size

6.
: where nothing was asked for, what is nearest to 640 × 480 pixels and 30 frames per second, or to 48000 Hz, one channel and
16 bit; and echo cancellation, gain control and noise suppression where a device has them

7.
: a pixel format that needs no conversion to what `--format` says

8.
: the pixel format that keeps most of the picture: RGB before YUV, less subsampled before more, raw before compressed

9.
: the order in which the driver lists its modes

The same devices and constraints always give the same answer. `--explain` shows how it came about: the candidates with
their distance for each constraint, or what excluded them, the advanced sets kept, and what broke the tie. When nothing fits,
the error names the constraint that failed, the constraints that cannot hold together, and the closest settings that can be
had.

# JSON

With `--json` a command prints one JSON document. Properties have the names and units of the standard: pixels, frames per
second, Hz, seconds.

`devices`
: an array of objects with `deviceId`, `kind` (`videoinput`, `audioinput` or `audiooutput`), `label`, `groupId`, `default`,
`backend`, and where there is one `path`, or `problem` and `remedy`: why it cannot be used, and what helps. With `--watch` a
line at the start and for each change: `type` (`devicechange`), `time`, `wallTime`, `added`, `removed` and `devices`. Both
lists are empty if another device is the default, or one can be used now.

`capabilities`
: an object with `deviceId`, `kind`, `label`, `groupId`, `capabilities` and `modes`. A mode has `width`, `height`,
`frameRate`, `pixelFormat`, and with `--probe` `measuredFrameRate`. In place of a number that the driver does not fix stands
an object with `min`, `max` and perhaps `step`.

`--dry-run`
: an object with `tracks`, each with `kind`, `label`, `settings`, `constraints`, and of a camera its native `mode`. With
`--explain` each also has `distance`, `decidedBy` (what broke the tie), `advancedKept`, and `candidates`, which have
`derived`, `mode`, and `settings`, `distance` and `distances`, or `excludedBy`.

`-v`, when it starts
: the same, of the devices that were opened

when it ends
: an object with `files`, `duration` in seconds, `reason` (`duration`, `frames`, `size`, `signal`, `ended`, `pipe` or
`error`), `tracks`, and `avOffset`, the seconds by which the picture begins after the sound. A track has `kind`, `label`,
`settings`, `frames` (of sound: samples per channel), `dropped` (by mscli, when it cannot keep up, or H.264 of no use after
a pause), `lost` (before it: by driver or hardware, or in a stall, which never gave them, or because they are damaged or
cannot be decoded without such as are lost), `duplicated`, `blank` (those among `frames` that are black or silent, because
the device was muted), `bytes`, and of a picture `frameRate`, as it was measured. Of sound it has `silence` (samples filled
in where none came, a late start included), `skipped` (samples that came twice or too early), and where drift was found
`driftPpm`: by how many millionths the microphone's clock runs fast.

an error, on stderr
: an object with `error`, which has `name`, `message` and perhaps `hints`; an OverconstrainedError also has `constraint`,
`conflict` and `nearest`.

# EVENTS

`--events` _FILE_ writes a JSON object on a line for whatever happens. It has `type`, `time` (seconds on CLOCK_MONOTONIC)
and `wallTime` (UTC). If it is about a track, it has `track` (its id), `kind` and `label`. If _FILE_ is a named pipe, nothing
begins before somebody reads it. `-` is stdout, where the result of `--json` comes last. It cannot be what the output is written
to. The types are

`settings`
: a device was opened, or is set otherwise now; `settings` are those in effect

`mute`, `unmute`
: its frames stopped coming, and `reason` says why; they come again. See DEVICES THAT FAIL

`overconstrained`
: the device was set otherwise, so that the constraints cannot hold; `constraint` is one that fails, `reason` says why

`ended`
: the device is gone or failed; `reason` says why

`start`, `pause`, `resume`, `stop`, `segment`, `error`
: a recording began, is paused, goes on or is complete, a file of several is, or it failed: `file`, and of `stop` `reason`, of
`error` the error

`devicechange`
: some device of the machine came or went, or another one is the default: `added`, `removed` and `devices`, as `devices --watch
--json` has them.

# DEVICES THAT FAIL

A device that gives no frame for 0.8 seconds (a slow one: for three of its frames) is muted: what follows in the output is
black, or silence, with the times that the frames would have had, until frames come again. A device that stays muted for 2
seconds more is given up. So is one that gives no first frame within 5 seconds, or whose driver does not answer for so
long when it is looked for, asked what it can do, or opened; what else there is, is listed and used. `--timeout`
_FIRST_`,`_THEN_ sets the 5 and the 2; `--timeout` _SECONDS_ sets both.

A camera whose driver tells of its privacy switch (the V4L2 control `privacy`) is muted as long as that is on, and never
given up for it. So is one with an input (HDMI, SDI, television) while there is no signal at it; with the next one it goes on,
set for that. A digital input without a signal is not opened.

A device that is unplugged, fails, or is given up has ended. The output is finished, and the exit code is 8, or 5 if nothing
had come yet.

With `--reconnect` _SECONDS_ a device that is gone is waited for: when the same one (by its deviceId) is there again within
that time, the capture goes on with it in the same output. What was missed is black or silence, as long as it lasted. With
`--fallback` the next device that satisfies the constraints takes its place, at once, or after the time of `--reconnect`;
not of one that was named exactly, as `--camera` and `--microphone` do (`-c deviceId=`_ID_ prefers one). It is set to the
size and rate that the output has, if it can be; sound is converted to what it was. For both, the events are `mute`, whose
`reason` says what happened, `settings` if another device or other settings go on, and `unmute`; `ended` only comes when all
was in vain.

If the driver by itself, or another program, sets a device otherwise while it is used, the settings follow: the event
`settings` says how. Of a camera that is the size of what it gives, its rate (the driver is asked twice a second) and another
signal at its input; other controls are no settings, and change nothing but the picture. An output keeps its size and rate if
these can be made of what the device gives now. If the constraints cannot hold any more, the event `overconstrained` says which,
and the output is black or silent (`mute`) until they do.

A driver that hangs holds up nothing: what does not answer is left behind, and stderr says so. After SIGINT, SIGTERM or
SIGHUP that takes two seconds at most.

"""

_PROGRAM_END = """# EXAMPLES

What is there:

    mscli devices

A picture as large as the camera can take one:

    mscli snapshot --size 9999x9999 picture.jpg

What would be used for 60 frames per second, and why:

    mscli record --frame-rate 60 --dry-run --explain clip.mp4

With the constraints of a web page, in a file:

    mscli snapshot --constraints constraints.json picture.png

# SEE ALSO

`ffmpeg`(1), `v4l2-ctl`(1), `arecord`(1)

W3C Media Capture and Streams, https://www.w3.org/TR/mediacapture-streams/

W3C MediaStream Recording, https://www.w3.org/TR/mediastream-recording/
"""

PROGRAM = _PROGRAM + FAKE_DEVICES + _PROGRAM_END

DEVICES = """
The table has the kind of each device, its name, its path where there is one, and its deviceId; with `-v` also its groupId
and the backend that found it. A device that cannot be used is listed nevertheless; the reason and what helps are told on
stderr, with `-v` in two columns. A device that another program uses is told with the program's name and process id, as far
as the system lets this user see them.

With `--watch` the table is drawn again after every change, on a terminal in its place, with a mark at what came (`+`), went
(`-`, until the next change) or is otherwise than before (`~`: another one is the default, or it can be used now). On Linux
changes are learned from the kernel, from udev and from the sound server, so that it sleeps in between; where there are no
such events, it looks every 2 seconds. It ends, with exit code 0, on SIGINT (Ctrl-C), SIGTERM or SIGHUP, and when the reader
of its output leaves, or the terminal is closed. Recordings, also those of other programs, are not disturbed.

# FILES

`/dev/video`_N_
: cameras; a camera's further nodes, which give no pictures, are not listed

# EXAMPLES

A line of JSON for whatever is plugged in or out:

    mscli devices --watch --json

With groups, which tell what belongs together:

    mscli devices -v
"""

CAPABILITIES = """
The first table has what the device can be set to, ranges and lists of values, under the names of the standard. The second
has a camera's native modes: pixel format, size, and the frame rates of each. No device is started, except with `--probe`,
which takes up to 3 seconds for each mode.

# EXAMPLES

A camera by a part of its name, for programs:

    mscli capabilities brio --json

Which of the rates that the driver lists are true:

    mscli capabilities --probe
"""

SNAPSHOT = f"""
The picture is the first frame that the camera gives.
{CAPTURING}
{FILES}

# EXAMPLES

As near to Full HD as it can be had:

    mscli snapshot --size 1920x1080 picture.png

This size or none:

    mscli snapshot --size exact:1280x720 picture.png

Into a pipe:

    mscli snapshot --format jpeg - > picture.jpg
"""

CAPTURE = f"""
Pictures are packed: their planes one after the other, without padding. Sound is interleaved, in the byte order of the
machine. Formats go by the names of V4L2, WebCodecs or FFmpeg, in any case. `y4m` is YUV4MPEG2, which has size and rate in
headers. If a reader leaves, that is an ordinary end.

There are no times in such a stream. Sound keeps its own: there is silence where it is missing. Pictures that a camera lost or
did not give leave no trace but the numbers of the report; `record` keeps the time of each.

All raw pictures of a stream have the format and the size of the first, whatever the camera gives later, or another one in
its place. Between encoded ones, which `--format native` hands on, stands nothing raw: there is no black while the camera is
muted or away, what is missing counts as lost, and `--fallback` takes only a camera that encodes in the same format.
{CAPTURING}
# EXAMPLES

Thirty raw frames:

    mscli capture --size 640x480 --format RGB24 --frames 30 -o frames.rgb

Into another program:

    mscli capture --format y4m --duration 5 | ffmpeg -i - clip.mkv

Sound:

    mscli capture --audio --no-video --format s16 > sound.pcm
"""

MANUALS: dict[str, str] = {  # command → its text; the program itself is ""
    "": PROGRAM,
    "devices": DEVICES,
    "capabilities": CAPABILITIES,
    "snapshot": SNAPSHOT,
    "record": RECORD,
    "capture": CAPTURE,
}

OPTION_DETAILS = (
    ENCODING_OPTIONS
    | {  # of an option: what its one line of help has no room for
        "--advanced": "One that none of the candidates left satisfies is skipped.",
        "--audio": "`--no-audio` leaves it out, whatever else is asked for.",
        "--camera": "A part must mean one camera only.",
        "--constraint": "Repeatable. A name that is not known is ignored, with a warning.",
        "--constraints": "Options override it property by property.",
        "--dry-run": "No light goes on.",
        "--events": "See EVENTS in `mscli`(1).",
        "--explain": "The table goes to stderr; with `--dry-run --json` the candidates are part of the object.",
        "--fake-devices": "See FAKE DEVICES in `mscli`(1).",
        "--fake-devices-from": "See FAKE DEVICES in `mscli`(1).",
        "--height": "In pixels.",
        "--json": "It goes to stdout, or to stderr where stdout carries pictures or sound. See JSON in `mscli`(1).",
        "--quiet": "Errors are told.",
        "--fallback": "With `--reconnect`, after that time. See DEVICES THAT FAIL in `mscli`(1).",
        "--reconnect": "Also M:SS. See DEVICES THAT FAIL in `mscli`(1).",
        "--strict": "So is black or silence in their place. The exit code is 10 then; what was captured is kept.",
        "--timeout": "One number sets both. See DEVICES THAT FAIL in `mscli`(1).",
        "--video": "`--no-video` leaves it out, whatever else is asked for.",
        "--width": "In pixels.",
    }
    | SERIES_DETAILS
)

ENVIRONMENT = {
    "MSCLI_FAKE_DEVICES": "`1` does what `--fake-devices` does, the name of a file what `--fake-devices-from` does with it.",
    "NO_COLOR": "If it is set, nothing is coloured.",
}
