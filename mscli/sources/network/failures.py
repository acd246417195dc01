"""The errors for people about servers that cannot be reached, or do not serve what is wanted. Each names the remedy."""

from __future__ import annotations

import socket
import ssl

from mscli.core.errors import DOMException, NotAllowedError, NotFoundError, NotReadableError, SecurityError
from mscli.core.location import Location

_LOGIN = "write them into the address, SCHEME://USER:PASSWORD@HOST, or into ~/.netrc"


def not_reached(error: BaseException, where: Location, timeout_s: float) -> DOMException:
    """Return the error about a connection that failed or broke."""
    if isinstance(error, DOMException):
        return error
    if isinstance(error, ssl.SSLCertVerificationError):
        return untrusted(where, error.verify_message)
    if isinstance(error, ssl.SSLError):
        return NotReadableError(f"{where.server} does not speak TLS", hints=["check the port and the scheme of the address"])
    if isinstance(error, ConnectionRefusedError):
        hints = ["check that the server runs, and the port"]
        return NotReadableError(f"{where.server} refuses the connection", hints=hints)
    if isinstance(error, socket.gaierror):
        return NotFoundError(f"no host is called {where.host}", hints=["check the name, and the network"])
    if isinstance(error, TimeoutError):
        return silent(where, timeout_s)
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return NotReadableError(f"cannot reach {where.server}: {reason[:1].lower()}{reason[1:]}", hints=["check the network"])


def silent(where: Location, timeout_s: float) -> DOMException:
    """Return the error about a server that does not answer."""
    hints = ["check the address, or let record, snapshot or capture wait longer with --timeout"]
    return NotReadableError(f"{where.name} does not answer within {timeout_s:g} s", hints=hints)


def untrusted(where: Location, why: str) -> DOMException:
    """Return the error about a certificate."""
    hints = ["if you know that it is the right server: --insecure"]
    return SecurityError(f"the certificate of {where.server} cannot be trusted: {why}", hints=hints)


def refused(status: int, where: Location) -> DOMException:
    """Return the error about a status of HTTP or RTSP: https://www.rfc-editor.org/rfc/rfc9110#section-15."""
    if status == 401 and where.user:
        return NotAllowedError(f"{where.name} does not accept the user name and the password (401)", hints=[_LOGIN])
    if status == 401:
        return NotAllowedError(f"{where.name} asks for a user name and a password (401)", hints=[_LOGIN])
    if status == 403:
        return NotAllowedError(f"{where.name} may not be read (403)", hints=[_LOGIN])
    if status in (404, 410):
        return NotFoundError(f"{where.name} does not exist on the server ({status})", hints=["check the path of the address"])
    hints = ["try again later" if status >= 500 else "check the address with curl -v"]
    return NotReadableError(f"the server of {where.name} answers with status {status}", hints=hints)


def closed(name: str) -> DOMException:
    """Return the error about a server that ends a live stream."""
    hints = ["wait for it to return with --reconnect DURATION"]
    return NotReadableError(f"{name} has ended the stream", hints=hints)
