"""Pipes: what another program writes, as a camera and a microphone.

- ``backend``: what comes through a pipe, by its first bytes
- ``feeds``: what comes, for the tracks of an input
- ``reader``: bytes from a pipe, whose writer may stall or die
- ``formats``: pictures and sound without a container: YUV4MPEG2, JPEG, PNG, PNM, raw pictures and samples
"""
