"""A package that brings sources and sinks to mscli: ``thing:GREY``, ``FILE.thing`` and ``thing://FILE``; ``FILE.packets``;
pictures as ``FILE.mote``.

A camera ``thing:GREY`` is live. A file ``FILE.thing`` that the sink has written is read back, and waits for its readers. The
address may say where the source or the sink is to fail or to hang, for the tests: ``thing:100?fail=start``,
``?fail=hang-start``.
"""

from __future__ import annotations

import mscli

SOURCE = mscli.SourceRow("mscli_thing.source", "ThingBackend", kinds=("videoinput",), schemes=("thing",), suffixes=("thing",))
SINK = mscli.SinkRow("thing", "video/x-thing", "mscli_thing.sink", "ThingSink", video=True, audio=True, schemes=("thing",))
PICTURE = mscli.SinkRow("mote", "image/x-mote", "mscli_thing.sink", "ThingSink", still=True)

LINES = mscli.Overhead(head=60, packet=60, fragment=0, growth=0)
HOLDS = mscli.Container("packets", ("video/x-packets",), video=("h264", "mjpeg"), audio=("opus",), overhead=LINES)
OF_PACKETS = ("video/x-packets", "mscli_thing.packets", "PacketsSink", True, True)
PACKETS = mscli.SinkRow("packets", *OF_PACKETS, schemes=("packets",), takes=HOLDS, splits=True)
STREAM = mscli.SinkRow("", *OF_PACKETS, schemes=("stream",), takes=HOLDS)
