"""The errors for people about servers that do not take a stream. Each names the remedy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mscli.core.addresses import scrubbed
from mscli.core.errors import DOMException, NotAllowedError, OperationError, SecurityError

_LOGIN = "write them into the address, SCHEME://USER:PASSWORD@HOST, or into ~/.netrc"
_UNAUTHORIZED, _FORBIDDEN, _MISSING, _FAILED = 401, 403, 404, 500
_STATUS = {"HTTPUnauthorizedError": _UNAUTHORIZED, "HTTPForbiddenError": _FORBIDDEN, "HTTPNotFoundError": _MISSING}
_CHECK = "check the address, and what the server logs"
_TAKES_ALL = "check that the server runs, and the port"


def not_answering(name: str, timeout_s: float) -> DOMException:
    """Return the error about a server that does not answer."""
    return OperationError(f"{name} does not answer within {timeout_s:g} s", hints=["check the address, and the network"])


def not_taking(name: str, timeout_s: float) -> DOMException:
    """Return the error about a server that has stopped reading."""
    return OperationError(f"{name} has taken nothing for {timeout_s:g} s", hints=["check the network, or lower the bit rate"])


def process_gone(name: str) -> DOMException:
    """Return the error about the process that has ended by itself."""
    return OperationError(f"the process that publishes to {name} has ended", hints=["try again"])


def gave_up(name: str, seconds: float, last: BaseException) -> DOMException:
    """Return the error about a server that has not come back."""
    return OperationError(f"gave up {name}, which was away for {seconds:g} s: {last}", hints=[_TAKES_ALL])


def away_at_end(name: str, dropped: int, noun: str, last: BaseException) -> DOMException:
    """Return the error about a server that was away when the recording ended. ``dropped``: how many ``noun`` it missed."""
    what = f"{name} was away at the end, and {dropped} {noun} were not sent: {last}"
    return OperationError(what, hints=[_TAKES_ALL, "record a file beside it"])


def status_error(status: int, name: str) -> DOMException:
    """Return the error about a status of HTTP or RTSP: https://www.rfc-editor.org/rfc/rfc9110#section-15."""
    if status == _UNAUTHORIZED:
        return NotAllowedError(f"{name} does not accept the user name and the password, or wants them (401)", hints=[_LOGIN])
    if status == _FORBIDDEN:
        hints = ["check the login, and whether somebody else publishes there"]
        return NotAllowedError(f"{name} may not be published to (403)", hints=hints)
    if status == _MISSING:
        return OperationError(f"{name} does not exist on the server (404)", hints=["check the path of the address"])
    hints = ["try again later" if status >= _FAILED else _CHECK]
    return OperationError(f"the server of {name} answers with status {status}", hints=hints)


def cause_of(told: Mapping[str, Any], name: str, server: str, timeout_s: float) -> DOMException:
    """Return the error about what the process says of its failure. ``server``: the host and the port."""
    kind, reason = str(told.get("failure")), str(told.get("reason"))
    said = " ".join([reason, *map(str, told.get("log") or ())])
    status = told.get("status") or _STATUS.get(kind)
    if status:
        return status_error(int(status), name)
    found = _KINDS.get(kind) or next((found for words, found in _SAID if words in said), None)
    if found is not None:
        error: DOMException = found(name, server, timeout_s)
        return error
    sentence = scrubbed(reason[:1].lower() + reason[1:])
    return OperationError(f"cannot publish to {name}: {sentence}", hints=[_CHECK])


def _error(sentence: str, *hints: str) -> Any:
    return lambda name, server, _timeout_s: OperationError(sentence.format(name=name, server=server), hints=hints)


def _untrusted(_name: str, server: str, _timeout_s: float) -> DOMException:
    hints = ["name the certificate of its authority with --ca-file, or trust any with --insecure"]
    return SecurityError(f"the certificate of {server} cannot be trusted", hints=hints)


def _late(name: str, _server: str, timeout_s: float) -> DOMException:
    return not_answering(name, timeout_s)


_CLOSED = _error("{name} closed the connection", _CHECK)
_NO_HTTP = _error("{server} does not speak HTTP", _CHECK)
_NO_TLS = _error("{server} does not speak TLS", "check the port and the scheme of the address")
_KINDS: Mapping[str, Any] = {  # the class of an exception → the error
    "SSLCertVerificationError": _untrusted,
    "gaierror": _error("no host is called {server}", "check the name, and the network"),
    "ConnectionRefusedError": _error("{server} refuses the connection", _TAKES_ALL),
    "TimeoutError": _late,
    "SSLError": _NO_TLS,
    "RemoteDisconnected": _CLOSED,
    "HTTPException": _NO_HTTP,
    "BadStatusLine": _NO_HTTP,
    "LineTooLong": _NO_HTTP,
    "UnknownProtocol": _NO_HTTP,
    "MemoryError": _error("{name} needs more memory than the process that publishes may take", _CHECK),
}
_REFUSES = "{name}: the server refuses the stream"
_SAID: tuple[tuple[str, Any], ...] = (  # what FFmpeg, Python or a server says → the error, the clearest first
    ("certificate verify failed", _untrusted),
    ("failed verification", _untrusted),
    ("401 Unauthorized", lambda name, *_: status_error(_UNAUTHORIZED, name)),
    ("403 Forbidden", lambda name, *_: status_error(_FORBIDDEN, name)),
    ("404 Not Found", lambda name, *_: status_error(_MISSING, name)),
    ("Connection refused", _error("{server} refuses the connection", _TAKES_ALL)),
    ("Connection setup failure", _error("{server} does not answer, or refuses the passphrase", _CHECK)),
    ("timed out", _late),
    ("TLS", _NO_TLS),
    ("handshake", _error("{server} does not speak this protocol", _CHECK)),
    ("Invalid data", _error("{server} does not speak this protocol", _CHECK)),
    ("Broken pipe", _CLOSED),
    ("Connection reset", _CLOSED),
    ("Input/output error", _error(_REFUSES, "check the application and the stream key at the end of the address")),
    ("End of file", _error(_REFUSES, "check the application and the stream key at the end of the address")),
)
