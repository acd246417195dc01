"""Pipes: what another program writes, as a camera and a microphone.

- ``backend``: reads a pipe, whose writer may stall or die, and finds out what comes by its first bytes
- ``feeds``: what comes, for the tracks of an input
- ``formats``: pictures and sound without a container: YUV4MPEG2, JPEG, PNG, PNM, raw pictures and samples
"""
