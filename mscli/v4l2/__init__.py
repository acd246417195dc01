"""The kernel's camera interface, V4L2, for cameras and for virtual-camera output.

https://docs.kernel.org/userspace-api/media/v4l/v4l2.html

- ``abi``: structures, request numbers and flags, as data
- ``node``: an open video node, and its errors
- ``modes``: pixel formats, sizes and rates
- ``controls``: camera controls
- ``region``: a region of interest, for pointsOfInterest
- ``buffers``: memory-mapped buffers
- ``output``: devices that take pictures: virtual cameras
- ``events``: events of the driver
- ``describe``: requests in words, for the log
"""
