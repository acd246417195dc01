"""Cameras on Linux.

- ``backend``: finds, describes and opens cameras
- ``stream``: a camera that streams

``mscli.v4l2`` has the kernel's interface.
"""
