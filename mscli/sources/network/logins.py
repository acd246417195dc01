"""Log in to a web server: https://www.rfc-editor.org/rfc/rfc9110#section-11 and https://www.rfc-editor.org/rfc/rfc7616

Header fields are handled as urllib does: each character stands for one byte. A login is sent as UTF-8.
"""

from __future__ import annotations

import base64
import hashlib
import re
import urllib.request
from collections.abc import Callable, Sequence
from http.client import HTTPMessage
from typing import Any

from mscli.core.location import Location, server_of
from mscli.core.tuples import NamedTuple

_HEADER = "Authorization"
_HASHES = {"MD5": "md5", "SHA": "sha1", "SHA-256": "sha256"}  # hashlib's names of what Digest names
_SCHEME = re.compile(r"([^\s=,\"]+)(?:\s+(?![\s=])(.*))?$", re.DOTALL)  # and what follows it, unless that is a value


class Challenge(NamedTuple):
    """A way to log in that a server offers. ``scheme`` and the names in ``said``: in lower case."""

    scheme: str
    said: dict[str, str]

    @property
    def is_known_digest(self) -> bool:
        """Return whether it is a Digest that can be computed."""
        known = self.said.get("algorithm", "MD5").upper() in _HASHES
        kinds = [kind.strip() for kind in self.said.get("qop", "auth").split(",")]
        return self.scheme == "digest" and known and "auth" in kinds and self.said.keys() >= {"realm", "nonce"}


def challenges(headers: Sequence[str]) -> list[Challenge]:
    """Return what the fields WWW-Authenticate of an answer offer, in their order. A field can offer several ways."""
    found: list[Challenge] = []
    for item in urllib.request.parse_http_list(", ".join(headers)):
        begun = _SCHEME.match(item)
        if begun:
            found.append(Challenge(begun[1].lower(), {}))
        name, equals, value = (begun[2] or "" if begun else item).partition("=")
        if equals and found:
            found[-1].said[name.strip().lower()] = value.strip().strip('"')
    return found


class Logins(urllib.request.HTTPPasswordMgr):
    """The login of an address: for the scheme, the host and the port of the address, and for nothing else."""

    def __init__(self, where: Location) -> None:
        super().__init__()
        self._where = where

    def find_user_password(self, realm: str, authuri: str) -> tuple[str | None, str | None]:  # noqa: ARG002
        """Return the user name and the password for an address."""
        if self._where.user and server_of(authuri) == server_of(self._where.url):
            return _as_sent(self._where.user), _as_sent(self._where.password)
        return None, None


def _as_sent(text: str) -> str:
    return text.encode().decode("latin-1")


class LoginHandler(urllib.request.AbstractDigestAuthHandler, urllib.request.BaseHandler):
    """A handler that logs in with the first Digest that is known, or else with Basic. It sends no refused login again."""

    auth_header = _HEADER

    def __init__(self, logins: Logins) -> None:
        super().__init__(logins)
        self._logins = logins
        self._renewed = False  # whether a login was sent again because the server's part of it was stale

    def http_error_401(self, request: urllib.request.Request, _fp: Any, _code: int, _text: str, headers: HTTPMessage) -> Any:
        """Ask again with the login, or return None."""
        offered = challenges(headers.get_all("WWW-Authenticate", []))
        if request.has_header(_HEADER):
            if self._renewed or all(one.said.get("stale", "").lower() != "true" for one in offered):
                return None
            self._renewed = True
        login = self._login(request, offered)
        if login is None:
            return None
        request.add_unredirected_header(_HEADER, login)
        return self.parent.open(request, timeout=request.timeout)

    def _login(self, request: urllib.request.Request, offered: Sequence[Challenge]) -> str | None:
        """Return the header field that logs in, if there is a login for this server and a way that is known."""
        digest = next((one.said for one in offered if one.is_known_digest), None)
        if digest is not None:
            given = self.get_authorization(request, {**digest, **({"qop": "auth"} if "qop" in digest else {})})
            return given and f"Digest {given}"
        user, password = self._logins.find_user_password("", request.full_url)
        if user is None or all(one.scheme != "basic" for one in offered):
            return None
        return "Basic " + base64.b64encode(f"{user}:{password}".encode("latin-1")).decode()

    def get_algorithm_impls(self, algorithm: str) -> tuple[Callable[[str], str], Callable[[str, str], str]]:
        """Return the hash, and the hash of a secret with data."""

        def hashed(text: str) -> str:
            return hashlib.new(_HASHES[algorithm.upper()], text.encode("latin-1"), usedforsecurity=False).hexdigest()

        return hashed, lambda secret, data: hashed(f"{secret}:{data}")
