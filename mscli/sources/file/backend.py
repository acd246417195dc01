"""A media file, or a blob, as a camera and a microphone."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from io import BytesIO

from mscli.core.addresses import file_path
from mscli.core.blobs import bytes_at
from mscli.core.errors import NotAllowedError, NotFoundError, NotReadableError
from mscli.core.nearest import did_you_mean
from mscli.core.properties import AUDIO, TRACK_KINDS, VIDEO
from mscli.sources.base import CONTENTS, DEVICE_KINDS, USUAL_INPUT, Abilities, Backend, Device, InputOptions, Request, Source
from mscli.sources.demux import InputContainer, InputContent, damaged, open_container
from mscli.sources.file.player import Player, check_start
from mscli.sources.y4m import HEADER_BYTES, check_y4m

_NO_REASONS = {errno.EPERM, errno.EBUSY, errno.EINVAL}  # what FFmpeg's demuxers say of damaged headers


class FileBackend(Backend):
    """The streams of the file at an address: a path, or ``file:`` and a path. It is read when this is created.

    Raises NotFoundError, NotAllowedError, NotReadableError, and TypeError if the file is to begin after its end.
    """

    name = "file"
    seekable = True

    def __init__(self, address: str, options: InputOptions = USUAL_INPUT) -> None:
        self._path = file_path(address)
        check_readable(self._path)
        self._look(options)

    def _look(self, options: InputOptions) -> None:
        """Find out what the file holds."""
        with self._open() as container:
            self.duration_us = container.duration_us
            self._content: InputContent = container.describe(decode=True)
        check_start(options, self.duration_us, self._path)
        self.player = Player(self._path, self._open, self._content, options)

    def begin_at(self, at_us: int) -> None:
        """Begin there when a stream is started next."""
        self.player.begin_at(at_us)

    def _open(self) -> InputContainer:
        try:
            return InputContainer(open_container(f"file:{self._path}", self._path), self._path)
        except (NotReadableError, NotAllowedError) as error:
            _check_header(self._path)
            if getattr(error.__cause__, "errno", None) in _NO_REASONS:
                raise damaged(self._path) from error
            raise

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        """Return a device for each kind of stream in the file."""
        content = {VIDEO: self._content.video, AUDIO: self._content.sound}
        label = os.path.basename(self._path)
        return [
            Device(self._path, device_kind, label, self._path, self.name, called=CONTENTS[device_kind])
            for device_kind, kind in TRACK_KINDS.items()
            if device_kind in kinds and content[kind] is not None
        ]

    def abilities(self, device: Device) -> Abilities:
        """Return what a stream can be set to. Raises NotSupportedError if its codec is unknown."""
        return self._content.abilities(TRACK_KINDS[device.kind])

    def open(self, device: Device, request: Request) -> Source:
        """Open a stream."""
        return self.player.open(TRACK_KINDS[device.kind], request.settings, request.pixel_format)

    def close(self) -> None:
        """Close the file."""
        self.player.close()


class BlobBackend(FileBackend):
    """The streams of the blob at an address. It keeps the bytes, so that the address may be revoked meanwhile.

    Raises NotFoundError for an address that was revoked, NotReadableError, and TypeError if it is to begin after its end.
    """

    name = "blob"

    def __init__(self, address: str, options: InputOptions = USUAL_INPUT) -> None:
        self._path = address
        data = bytes_at(address)
        if data is None:
            hints = ["an address of a blob can only be used in the process that has made it, until it is revoked"]
            raise NotFoundError(f"there is no blob at {address}", hints=hints)
        if not data:
            raise NotReadableError(f"the blob at {address} is empty")
        self._data = data
        self._look(options)

    def _open(self) -> InputContainer:
        return InputContainer(open_container(BytesIO(self._data), self._path), self._path)


def _check_header(path: str) -> None:
    """Raise the error that says what is wrong with the header of a file, if it is one that is known here."""
    try:
        with open(path, "rb") as file:
            check_y4m(file.read(HEADER_BYTES), path)
    except OSError:
        return  # the error of opening says why


def check_readable(path: str) -> None:
    """Raise the error for people about a file that cannot be read."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        folder, name = os.path.split(path)
        raise NotFoundError(f"{path} does not exist{did_you_mean(name, _names(folder))}") from None
    except OSError as error:
        raise NotReadableError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    if stat.S_ISDIR(status.st_mode):
        raise NotReadableError(f"{path} is a folder", hints=["name a file in it"])
    if not os.access(path, os.R_OK):
        raise NotAllowedError(f"no permission to read {path}")
    if stat.S_ISREG(status.st_mode) and not status.st_size:
        raise NotReadableError(f"{path} is empty")


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder or ".")
    except OSError:
        return []
