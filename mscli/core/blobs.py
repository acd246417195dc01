"""The addresses of blobs in this process: ``blob:mscli/…``. https://w3c.github.io/FileAPI/#url

An address keeps the bytes alive until it is revoked. No other process can read it.
"""

from __future__ import annotations

from mscli.core.ids import random_uuid

SCHEME = "blob"

_BYTES: dict[str, bytes] = {}  # by address; every access is atomic in Python


def address_of_bytes(data: bytes) -> str:
    """Return a new address of bytes."""
    address = f"{SCHEME}:mscli/{random_uuid()}"
    _BYTES[address] = data
    return address


def revoke_address(address: str) -> None:
    """Forget an address. One that is unknown is ignored, as in the standard."""
    _BYTES.pop(address.partition("#")[0], None)


def bytes_at(address: str) -> bytes | None:
    """Return the bytes at an address, or None if it was revoked or is not of this process."""
    return _BYTES.get(address.partition("#")[0])
