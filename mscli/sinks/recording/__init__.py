"""Recordings: encoded tracks in files of a container.

- ``sink``: an encoding and its outputs

Packet sinks, which take the packets of an encoding and wrap one another

- ``onefile``: write one file with FFmpeg's muxers; limit its size
- ``segments``: write a series of files
- ``triggered``: write a file for each trigger

For all of them

- ``queued``: write an output on its own thread
- ``space``: estimate the disk space that a recording will need
"""
