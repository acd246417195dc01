"""The certificates that the system trusts. FFmpeg's TLS knows none by itself, and verifies nothing unless asked to."""

from __future__ import annotations

import os
import ssl

_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


def trusted_file() -> str:
    """Return the file with the certificates that the system trusts, or "" if there is none."""
    files = os.environ.get("SSL_CERT_FILE", ""), ssl.get_default_verify_paths().cafile or "", *_BUNDLES
    return next((path for path in files if os.path.exists(path)), "")


def tls_options(*, insecure: bool, ca_file: str = "") -> dict[str, str]:
    """Return FFmpeg's options for certificates. ``ca_file``: trusted in place of the system's."""
    known = ca_file or trusted_file()
    return {"tls_verify": "0"} if insecure else {"tls_verify": "1", **({"ca_file": known} if known else {})}
