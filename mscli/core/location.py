"""An address of the network and its parts. Only this module and the code that logs in see the user name and the password."""

from __future__ import annotations

import os
import string
from urllib.parse import quote, unquote, urlsplit

from mscli.core.addresses import masked
from mscli.core.errors import NotFoundError
from mscli.core.tuples import NamedTuple

_PORTS = {"http": 80, "https": 443}
_QUOTED = ("http", "https", "rtsp", "rtsps")  # schemes whose requests have no room for spaces and letters that are not ASCII
_KEPT = string.punctuation  # in an address that may be quoted already


class Location(NamedTuple):
    """An address. ``url`` has no user name and no password. ``name`` has no secrets at all: it is for people."""

    scheme: str
    host: str
    port: int
    user: str
    password: str
    url: str
    name: str

    @property
    def url_with_login(self) -> str:
        """Return the address with the user name and the password."""
        if not self.user:
            return self.url
        parts = urlsplit(self.url)
        return parts._replace(netloc=f"{quote(self.user, '')}:{quote(self.password, '')}@{parts.netloc}").geturl()

    @property
    def server(self) -> str:
        """Return the host and the port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host


def locate(address: str) -> Location:
    """Return the parts of an address. Raises NotFoundError if it names no host or no possible port."""
    name = masked(address)
    try:
        scheme, host, port = server_of(address)
        netloc = _netloc(address, host)
    except ValueError:
        raise NotFoundError(f"{name} is not an address", hints=["write it as SCHEME://HOST:PORT/PATH"]) from None
    if not host and scheme != "udp":
        raise NotFoundError(f"{name} names no host", hints=[f"write it as {scheme}://HOST:PORT/PATH"])
    parts = urlsplit(address)
    user, password = (unquote(part or "") for part in (parts.username, parts.password))
    if host and not user:
        user, password = _from_netrc(host)
    path, query = (quote(part, _KEPT) if scheme in _QUOTED else part for part in (parts.path, parts.query))
    url = parts._replace(netloc=netloc, path=path, query=query, fragment="").geturl()
    return Location(scheme, host, port, user, password, url, name)


def server_of(url: str) -> tuple[str, str, int]:
    """Return the scheme, the host and the port of an address. Raises ValueError if it is not one."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return scheme, parts.hostname or "", _PORTS.get(scheme, 0) if parts.port is None else parts.port


def _netloc(address: str, host: str) -> str:
    """Return the host and the port as they are sent. Raises ValueError if no host can have this name."""
    sent = host.encode("idna").decode()
    parts = urlsplit(address)
    if host.isascii():
        return parts.netloc.rpartition("@")[2]
    return sent if parts.port is None else f"{sent}:{parts.port}"


def _from_netrc(host: str) -> tuple[str, str]:
    """Return the user name and the password that ~/.netrc has for a host, or nothing."""
    import netrc

    from mscli.core.folders import is_small_file

    try:
        if not is_small_file(os.path.join(os.path.expanduser("~"), ".netrc")):
            return "", ""
        found = netrc.netrc().authenticators(host)
    except (OSError, netrc.NetrcParseError):
        return "", ""
    return (found[0], found[2] or "") if found else ("", "")
