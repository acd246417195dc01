"""URL: addresses of blobs. https://w3c.github.io/FileAPI/#creating-revoking"""

from __future__ import annotations

from typing import Any

from mscli.api.blob import Blob
from mscli.core.blobs import address_of_bytes, revoke_address
from mscli.core.errors import ArgumentError


class URL:
    """The two functions of the standard's URL about blobs.

        address = mscli.URL.create_object_url(mscli.Blob(data, "video/mp4"))
        element = mscli.MediaElement(address)

    Whatever takes an address in this process takes such a one: ``MediaElement``, ``MediaDevices.add_address``.

    See https://w3c.github.io/FileAPI/#creating-revoking. Differs from the standard: only the two functions about blobs. A
    ``MediaStream`` raises TypeError, as in today's standard.
    """

    @staticmethod
    def create_object_url(blob: Any) -> str:
        """Return a new ``blob:`` address of a blob, which keeps its bytes until the address is revoked.

        Raises TypeError for anything else, and for a stream: the standard has taken that out. Use ``src_object``.
        """
        if not isinstance(blob, Blob):
            advice = "; set it as the src_object of a MediaElement" if hasattr(blob, "get_tracks") else ""
            raise ArgumentError(f"URL.create_object_url takes a Blob, not a {type(blob).__name__}{advice}")
        return address_of_bytes(blob.bytes())

    @staticmethod
    def revoke_object_url(address: str) -> None:
        """Forget an address. What has been opened by then can still be read. An unknown address is ignored."""
        revoke_address(address)
