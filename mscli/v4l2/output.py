"""Hand pictures to a V4L2 device that takes them: a virtual camera, or a video output.

https://docs.kernel.org/userspace-api/media/v4l/dev-output.html. A virtual camera is an output for one program and a camera for
all others. v4l2loopback makes such devices (https://github.com/v4l2loopback/v4l2loopback); the kernel's own vivid can, too.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import glob
import os
import re
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction

from mscli.core.codecs import joined
from mscli.core.errors import DOMException, NotSupportedError, OperationError
from mscli.core.frames import FORMATS, VideoColorSpace, copy_rows, frame_bytes, is_yuv, split_planes
from mscli.core.log import Log
from mscli.core.trouble import holders, in_container, permission_remedy
from mscli.core.tuples import NamedTuple
from mscli.v4l2 import abi
from mscli.v4l2.buffers import Buffers, PassingError
from mscli.v4l2.modes import color_space, interval_of, layouts
from mscli.v4l2.node import SYSFS, UNPLUGGED, Node

BUFFERS = 3  # the driver shows one while the next is ready; more would make pictures late

_OF_LOOPBACK = "max_openers"  # an attribute in sysfs that only devices of v4l2loopback have
_MATRICES = {  # matrix → V4L2_COLORSPACE_…, V4L2_YCBCR_ENC_…
    "bt709": (abi.COLORSPACE_REC709, 2),
    "bt2020-ncl": (abi.COLORSPACE_BT2020, 6),
    "smpte240m": (abi.COLORSPACE_SMPTE240M, 8),
}
_USUAL_MATRIX = (abi.COLORSPACE_SRGB, 1)

_log = Log("v4l2")


class OutputNode(Node):
    """A node that pictures are written to. Its failures are OperationErrors."""

    def failure(self, error: OSError, doing: str) -> DOMException:
        """Return the error for people: what happened to which device, why, and what to do about it."""
        device = f"virtual camera “{self.label}” ({self.path})" if self.label else self.path
        if not self.label and error.errno in (errno.ENOENT, errno.EPERM) and os.path.exists(self.sysfs) and in_container():
            hints = [f"start the container with --device {self.path}"]
            return OperationError(f"{device} is not available in this container", hints=hints)
        if not self.label and error.errno in (*UNPLUGGED, errno.ENOTDIR):
            return OperationError(f"there is no virtual camera {device}", hints=remedies(self.path))
        if error.errno in UNPLUGGED:
            return OperationError(f"{device} is gone: it was removed, or its driver was", hints=["make it again"])
        if error.errno == errno.ENOTTY:
            return OperationError(f"{device} is not a video device", hints=remedies(self.path))
        if error.errno in (errno.EACCES, errno.EPERM):
            return OperationError(f"no permission to write to {device}", hints=[permission_remedy(self.path)])
        if error.errno == errno.EBUSY:
            return self.busy()
        return OperationError(f"{device} cannot {doing}: {os.strerror(error.errno or 0)}")

    def busy(self) -> OperationError:
        """Return the error that says which other program writes to the device."""
        device = f"virtual camera “{self.label}” ({self.path})" if self.label else self.path
        holding = holders(self.path)
        return OperationError(f"{device} is in use by {holding.who}", hints=[holding.remedy])


class Agreed(NamedTuple):
    """The pictures that the driver takes: pixel format, size, bytes per row of the first plane, colour."""

    format: str
    width: int
    height: int
    stride: int
    color_space: VideoColorSpace

    @property
    def nbytes(self) -> int:
        """Return the size of a picture with the padding of its rows, in bytes."""
        base = FORMATS[self.format].planes[0].row_bytes(self.width)
        return frame_bytes(self.format, self.width, self.height) * (self.stride or base) // base


class VideoOutput:
    """An open device that takes pictures: ``agree`` on them, ``begin``, and ``put`` one after the other.

    Raises OperationError if the device fails or cannot be used, and NotSupportedError if it takes no such pictures.
    """

    def __init__(self, path: str) -> None:
        self._node = OutputNode(path)
        self._buffers: Buffers | None = None
        self._free: deque[int] = deque()  # buffers that the driver does not hold
        self._last: int | None = None  # the buffer with the latest picture
        try:
            self._check()
        except BaseException:
            self._node.close()
            raise

    def _check(self) -> None:
        """Raise OperationError unless the device takes pictures, and no other program gives it some."""
        node = self._node
        label, caps = node.capability()
        node.label = label
        written = not caps & abi.CAP_OUTPUT and os.path.exists(os.path.join(node.sysfs, _OF_LOOPBACK))
        try:  # v4l2loopback itself lets several programs write at once
            fcntl.flock(node.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            written = True
        if written:
            raise node.busy()
        if caps & abi.CAP_OUTPUT:
            return
        what = "is a camera, not a virtual camera"
        if not caps & (abi.CAP_CAPTURE | abi.CAP_CAPTURE_MPLANE):
            what = "takes its pictures in several buffers" if caps & abi.CAP_OUTPUT_MPLANE else "takes no pictures"
        raise OperationError(f"“{label}” ({node.path}) {what}", hints=remedies(node.path))

    @property
    def name(self) -> str:
        """Return its name for people."""
        return f"“{self._node.label}” ({self._node.path})"

    def agree(self, wanted: Sequence[str], width: int, height: int, color: VideoColorSpace) -> Agreed:
        """Set the first of the ``wanted`` pixel formats that the device takes, and this size, or the nearest that it takes.

        With chroma for several pixels, the size is a multiple: most programs do not show a picture with an odd width.
        """
        offered = {name: row for name, row in layouts(self._node, abi.BUF_TYPE_OUTPUT).items() if not row.split}
        for name in wanted:
            found = self._set(offered[name], width, height, color) if name in offered else None
            if found is not None:
                return found
        what = wanted[0] if len(wanted) == 1 else "such"
        hints = [f"it takes {joined(list(offered))}"] if offered else []
        raise NotSupportedError(f"virtual camera {self.name} takes no {what} pictures", hints=hints)

    def _set(self, row: abi.PixelLayout, width: int, height: int, color: VideoColorSpace) -> Agreed | None:
        planes = FORMATS[row.name].planes
        across, down = max(plane.h for plane in planes), max(plane.v for plane in planes)
        asked = abi.Format(type=abi.BUF_TYPE_OUTPUT)
        pix, code = asked.pix, abi.fourcc_code(row.fourcc)
        pix.width, pix.height = max(across, width // across * across), max(down, height // down * down)
        pix.pixelformat, pix.field, pix.priv = code, abi.FIELD_NONE, abi.PIX_PRIV_MAGIC
        pix.colorspace = abi.COLORSPACE_SRGB
        if is_yuv(row.name):
            pix.colorspace, pix.ycbcr_enc = _MATRICES.get(color.matrix, _USUAL_MATRIX)
            pix.quantization = abi.QUANTIZATION_FULL if color.full_range else abi.QUANTIZATION_LIMITED
        self._node.call(abi.S_FMT, asked, f"be set to {pix.width}×{pix.height} {row.fourcc}")
        if pix.pixelformat != code:
            return None
        return Agreed(row.name, pix.width, pix.height, pix.bytesperline, color_space(row.name, pix))

    def begin(self, agreed: Agreed, interval: Fraction) -> Fraction:
        """Begin to show pictures, ``interval`` seconds apart. Return the seconds that the driver has set."""
        parm = abi.StreamParm(type=abi.BUF_TYPE_OUTPUT)
        parm.capture.timeperframe = abi.Fract(interval.numerator, interval.denominator)
        known = self._node.ask(abi.S_PARM, parm) or self._node.ask(abi.G_PARM, parm)
        self._agreed = agreed
        self._buffers = Buffers(self._node, abi.BUF_TYPE_OUTPUT, 1, BUFFERS)
        self._free.extend(range(len(self._buffers)))
        self._node.call(abi.STREAMON, ctypes.c_int(abi.BUF_TYPE_OUTPUT), "start")
        _log.info("%s: shows %d×%d %s", self._node.path, agreed.width, agreed.height, agreed.format)
        return (interval_of(parm) if known else None) or interval

    def put(self, planes: Sequence[memoryview], strides: Sequence[int]) -> bool:
        """Show a picture as it was agreed on. Return whether the driver had room for it."""
        index = self._take_free()
        if index is None:
            return False
        made = self._agreed
        targets, steps = split_planes(made.format, made.width, made.height, self._memory(index), made.stride)
        for plane, target, step, source, stride in zip(
            FORMATS[made.format].planes, targets, steps, planes, strides, strict=True
        ):
            copy_rows(target, step, source, stride, plane.row_bytes(made.width), plane.rows(made.height))
        self._queue(index)
        return True

    def repeat(self) -> bool:
        """Show the latest picture again. Return whether the driver had room for it."""
        last, index = self._last, self._take_free()
        if last is None or index is None:
            return False
        if index != last:
            self._memory(index)[:] = self._memory(last)
        self._queue(index)
        return True

    def _memory(self, index: int) -> memoryview:
        assert self._buffers is not None, "it has begun"
        return self._buffers.memory(index)[: self._agreed.nbytes]

    def _queue(self, index: int) -> None:
        assert self._buffers is not None, "it has begun"
        self._buffers.queue(index, self._agreed.nbytes)
        self._last = index

    def _take_free(self) -> int | None:
        """Return a buffer that the driver does not hold, the one that was free for longest, or None."""
        buffers = self._buffers
        assert buffers is not None, "it has begun"
        try:
            while buffers.queued and (shown := buffers.dequeue()) is not None:
                self._free.append(shown.index)
        except PassingError as error:
            raise self._node.failure(OSError(errno.EIO, ""), "show pictures") from error
        return self._free.popleft() if self._free else None

    def close(self) -> None:
        """End, and close the device. Does nothing the second time."""
        if self._node.fd < 0:
            return
        if self._buffers is not None:
            with suppress(OSError):  # it is gone: nothing is left to end
                self._node.ioctl(abi.STREAMOFF, ctypes.c_int(abi.BUF_TYPE_OUTPUT))
            with suppress(OSError):
                self._buffers.release()
        self._node.close()


def remedies(path: str) -> list[str]:
    """Return what to do if there is no virtual camera at a path: use another one, or make one."""
    there = sorted(os.path.basename(os.path.dirname(name)) for name in glob.glob(f"{SYSFS}/*/{_OF_LOOPBACK}"))
    if there:
        return [f"virtual cameras of this machine: {', '.join(f'v4l2:/dev/{name}' for name in there)}"]
    number = re.search(r"/dev/video(\d+)$", path)
    made = number[1] if number is not None and not os.path.exists(path) else "20"
    return [
        "install the package v4l2loopback-dkms, if it is missing",
        f"make one: sudo modprobe v4l2loopback video_nr={made} exclusive_caps=1 card_label=mscli",
    ]
