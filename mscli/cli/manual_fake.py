"""What the manual says of fake devices: see ``mscli.cli.manual``."""

from __future__ import annotations

FAKE_DEVICES = """# FAKE DEVICES

With `--fake-devices` a built-in camera, microphone and speaker are there in place of all hardware. With
`--fake-devices-from` _FILE_ it is those that a JSON file describes. Only `kind` must be given of each; `{"devices": []}` is
a machine without devices.

    {"devices": [
      {"kind": "videoinput", "deviceId": "v0", "groupId": "g0",
       "label": "Fake camera", "facingMode": "user",
       "modes": [{"width": 640, "height": 480, "frameRate": 30,
                  "pixelFormat": "YUYV"}],
       "faults": {"dropEvery": 7}},
      {"kind": "audioinput", "label": "Fake microphone",
       "sampleRates": [44100, 48000], "channelCounts": [1, 2],
       "sampleSizes": [16], "latency": [0.01], "resample": true},
      {"kind": "audiooutput", "label": "Fake speaker"}]}

A described microphone gives the sample rates and channel counts that are listed; with `resample` others are made of them, as
they are with real ones and with the built-in one.

The `faults` of a camera or microphone are

`busy`, `denied`, `errorOnStart`
: if true: it is used by someone else, it may not be used, it fails when it is started

`vanishAfterFrames`
: it is unplugged after so many frames (of a microphone: blocks of 10 ms)

`returnAfterSeconds`
: it is plugged in again so many seconds after that

`stallAfterFrames`, `stallSeconds`
: after so many frames none comes for so many seconds, or without `stallSeconds` ever

`dropEvery`
: one of so many frames is lost

`jitterMs`
: frames are stamped and come up to so many milliseconds early or late

`appearAfterSeconds`
: it is plugged in so many seconds after the start

`changeAfterFrames`
: after so many frames a camera goes on in the size of the last of its modes, by itself

`hangOnOpen`, `hangAfterFrames`
: its driver never returns from being opened, or after so many frames from anything, as bad drivers do

The picture shows, from top to bottom, eight colour bars down to 3/4 of its height (white, yellow, cyan, green, magenta,
red, blue, black, at 75 %), a white pointer on black that crosses it once a second, and 16 steps of grey. Over the bars, in
the middle of the picture, is a code of 8 columns and 4 rows of square cells, whose side is 1/16 of the picture's shorter
one. White is 1, black is 0. In reading order they are a number of 32 bits, the highest first:

bits 31 and 30
: 1 and 0, always

bit 29
: 1 in a picture that flashes

bits 28 to 5
: how many frames the camera has made before since it was started, lost ones too, modulo 2^24

bits 4 to 1
: 15 xor each of the six hexadecimal digits of that number

bit 0
: 1, always

Once a second, but not at the start, a picture flashes: it is white all over, except for the code. In the very instant of
its capture a beep begins, 1000 Hz at -6 dBFS for 50 ms, on top of a steady tone of 440 Hz at -30 dBFS. So drops, order and
the offset of picture and sound can be read back from any file.

"""
