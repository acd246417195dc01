"""Blob: bytes with a MIME type. https://w3c.github.io/FileAPI/#blob-section"""

from __future__ import annotations


class Blob:
    """A piece of immutable bytes with a MIME type.

    See https://w3c.github.io/FileAPI/#blob-section. Differs from the standard: ``bytes`` returns at once; there is no ``slice``
    and no stream.
    """

    def __init__(self, data: bytes = b"", type: str = "") -> None:  # noqa: A002 (the standard's name)
        self._data = data
        self.type = type

    @property
    def size(self) -> int:
        """Return the number of bytes."""
        return len(self._data)

    def bytes(self) -> bytes:
        """Return the bytes."""
        return self._data

    def __repr__(self) -> str:
        return f"<Blob {self.type or 'untyped'} {self.size} bytes>"
