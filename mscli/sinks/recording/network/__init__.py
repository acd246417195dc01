"""Outputs in the network: servers that a recording is published to.

- ``protocols``: the table of protocols: codecs, muxer, and how the connection is made
- ``destination``: an address with its settings, and what the process that sends needs to know of it
- ``publisher``: the packet sink: queue, reconnection, counts
- ``congestion``: what is left out and how far the bit rate falls if a server is slow
- ``child``, ``publish_child``: a process of its own that sends with FFmpeg
- ``failures``: the errors for people
"""
