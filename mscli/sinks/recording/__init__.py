"""Recordings: encoded tracks in files of a container.

- ``sink``: an encoding and its outputs, and the disk space that they will need

Packet sinks, which take the packets of an encoding and wrap one another

- ``onefile``: write one file with FFmpeg's muxers; limit its size
- ``kept``: count what a file has that was cut after an error
- ``segments``: write a series of files
- ``triggered``: write a file for each trigger
- ``packets``: a packet sink of another package

- ``network``: servers
- ``playlist``: HLS in a folder: an output that cuts an MP4 into segments

- ``queued``: write an output on its own thread
"""
