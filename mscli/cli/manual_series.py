"""The part of the manual of ``mscli record`` about recordings in several files. What holds for the text is in ``manual``."""

from __future__ import annotations

SERIES = """
# SEVERAL FILES

_FILE_ may hold directives of `strftime`(3), which say when the file begins in local time, and a counter: `%03d` is the file's
number, in at least three digits. (`%d` is the day of the month; a percent sign is `%%`.) Numbers that are taken are passed
over. A folder whose name has a directive is made. With the options below a name that has neither gets a number: clip.mp4
becomes clip-001.mp4. Two files that would have the same time in their names get `-2`, `-3` and so on. No file of somebody
else is replaced without `--force`, and none of this recording in any case.

`--segment-duration`, `--segment-size` and `--segment-clock` cut a recording into files that each can be played by themselves.
They may be combined: the first that is due cuts. Each file begins with a key frame at time 0. Sound is cut to the sample at
the same instant. No picture and no sample is lost or doubled between files. With `--video-codec copy` H.264 is cut at the
camera's own key frames. A segment can be larger than `--segment-size` only by a picture that is larger than all before it.
A camera that gives nothing for over a second holds up no cut and no file: its last picture stands at the beginning of the next;
of copied H.264 the last key frame, and the next picture after it is a key frame, too. Where a copied camera is muted or away
and there is no sound either, no file begins before its pictures come again.

`--trigger` waits. The pictures are encoded all the time and kept in memory for the `--pre-roll`, as is the sound, of both 256
MiB at most; what is more shortens the pre-roll. A trigger begins a file with them, at the last key frame before, which may be
a second earlier. It ends `--duration` after the trigger, or else with the next trigger or the recording. A trigger always
begins a file of its own; what two files share is in both. The trigger is a signal, `kill -USR1` _PID_, or a line on stdin,
and may come as often as wanted. At the end of stdin the recording ends, with `--duration` when its last file has ended by
itself; the exit code is 0 and the reason `pipe`. `duration` and `frameRate` in the report are of what is in the files.

`--keep` removes the oldest finished files of this recording, and no other: not even one that has been put in the place of
such a file.

An event `segment` tells of each file when it is finished. The report lists the files that are there at the end.
"""

SERIES_EXAMPLES = """\
A file for every ten minutes of the clock, of which the last 50 GB stay:

    mscli record --segment-clock 10m --keep 50G %Y-%m-%d_%H-%M.mp4

Nine seconds before each signal and fifteen after it:

    mscli record --trigger SIGUSR1 --pre-roll 9 --duration 15 a-%02d.mp4

"""

SERIES_DETAILS = {  # of options: see OPTION_DETAILS
    "--keep": "A number alone counts files; with a unit, as in `50G`, it is their size.",
    "--max-size": "The reason of the end is `size` then.",
    "--segment-clock": "A number alone is minutes. It divides a day: `15m`, `1h`, `6h`.",
    "--segment-size": "Also with units of 1024: `64MiB`.",
    "--trigger": "See SEVERAL FILES.",
}
