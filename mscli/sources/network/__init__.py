"""Streams, images and files of the network as cameras and microphones.

- ``backend``: what is at an address
- ``failures``: the errors for people
- ``links``: connections that bring bytes
- ``http``: what a web server serves
- ``logins``: logging in to a web server
- ``relay``, ``relay_child``: a process that reads what FFmpeg connects to
- ``feeds``: live streams, and files of a web server, for the tracks of an input
"""
