"""Addresses of sources and outputs that are neither devices nor files, such as ``rtsp://host/name``.

https://www.rfc-editor.org/rfc/rfc3986#section-3. An address begins with a scheme of at least two characters, because one letter
and a colon is a Windows drive. No space may follow the colon, because camera names often contain a colon and a space.
"""

from __future__ import annotations

import os

HIDDEN = "***"
_KEYED = ("rtmp", "rtmps", "rtmpt", "rtmpts")  # schemes whose addresses end with a key


def scheme_of(text: str) -> str:
    """Return the scheme of an address in lower case, or "" if the text is not an address.

    The names of some devices and files also look like addresses: ``hw:0``. Use ``is_url`` to recognise text that can only be an
    address.
    """
    scheme, colon, rest = text.partition(":")
    named = len(scheme) > 1 and scheme.isascii() and scheme[0].isalpha() and all(c.isalnum() or c in "+.-" for c in scheme)
    return scheme.lower() if colon and named and not rest[:1].isspace() else ""


def is_url(text: str) -> bool:
    """Return whether the text can only be an address: ``://`` follows its scheme."""
    scheme = scheme_of(text)
    return bool(scheme) and text[len(scheme) :].startswith("://")


def suffix_of(name: str) -> str:
    """Return a file name's suffix in lower case and without the dot, or "" if the name has none."""
    return os.path.splitext(name)[1].lstrip(".").lower()


def masked(text: str) -> str:
    """Return an address with ``***`` in place of its user name, password and query values, which may be secrets.

    The last part of an RTMP address is a key too. A password that contains ``/``, ``?``, ``#`` or ``@`` unescaped is hidden as
    well: a colon is followed by a port or by a password, and a password goes up to the last ``@``.
    """
    scheme = scheme_of(text)
    if not scheme:
        return text
    import re

    without_login = re.sub(r"(?<=://)(?:[^/?#@:\[]*:(?!\d+(?:[/?#]|$)).*@|[^/?#]*@)", f"{HIDDEN}@", text)
    shown = re.sub(r"([?&;][^=&;#\s]*=)[^&;#\s]*", rf"\1{HIDDEN}", without_login)
    return re.sub(r"(?<=[^/:]/)[^/?#]+(?=[?#]|$)", HIDDEN, shown, count=1) if scheme in _KEYED else shown


def scrubbed(text: str) -> str:
    """Return a text in which the secrets of every address are masked. What another library says may quote an address."""
    if "://" not in text:
        return text
    import re

    return re.sub(r"[A-Za-z][A-Za-z0-9+.-]+://[^\s'\"<>“”]+", lambda found: masked(found[0]), text)


def file_path(address: str) -> str:
    """Return the path of a ``file:`` address (https://www.rfc-editor.org/rfc/rfc8089), or any other name unchanged."""
    if scheme_of(address) != "file":
        return address
    rest = address[len("file:") :]
    if not rest.startswith("//"):
        return rest
    from urllib.parse import unquote, urlsplit

    return unquote(urlsplit(address).path)
