"""Cameras on Linux.

- ``backend``: finds, describes and opens cameras
- ``stream``: a camera that streams
- ``numbering``: finds missing frames by the driver's numbers
- ``order``: tells when pictures are shown that are encoded in another order
- ``slices``: joins the slices of a picture that come in several buffers

``mscli.v4l2`` has the kernel's interface.
"""
