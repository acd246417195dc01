"""Whatever the secrets in an address are, and wherever the address stands: what is shown of it has none of them."""

from __future__ import annotations

import re
from urllib.parse import quote

from hypothesis import assume, example, given
from hypothesis import strategies as st

from mscli.core.addresses import is_url, masked, scrubbed

MARK = "Zq9x"  # in each secret, and nowhere else
SCHEMES = ["rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "srt", "icecast", "whip+https", "whep+http"]
HOSTS = ["camera", "camera.example:554", "192.0.2.1", "[2001:db8::1]:8554", "localhost"]

raw = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8)
secrets = st.builds(lambda before, after: before + MARK + after, raw, raw)
keys = st.from_regex(r"[A-Za-z_.-]{1,12}", fullmatch=True)
parts = st.from_regex(r"[A-Za-z0-9._~-]{1,8}", fullmatch=True)


@st.composite
def addresses(draw: st.DrawFn, *, as_typed: bool) -> str:
    """Return an address with secrets in some of the places that are for them.

    ``as_typed``: the password may hold what should be escaped. Otherwise, all is escaped.
    """
    scheme, host = draw(st.sampled_from(SCHEMES)), draw(st.sampled_from(HOSTS))
    login, path, query = "", "", ""
    if draw(st.booleans()):
        user, password = quote(draw(raw), safe=""), draw(secrets)
        assume(not (as_typed and re.match(r"\d+[/?#]", password)))  # a host, its port and a path
        login = f"{user}:{password if as_typed else quote(password, safe='')}@"
    path = "".join(f"/{part}" for part in draw(st.lists(parts, max_size=3)))
    if scheme.startswith("rtmp") and path:
        path += f"/{quote(draw(secrets), safe='')}"
    pairs = draw(st.lists(st.tuples(keys, secrets), max_size=3))
    if pairs:
        query = "?" + draw(st.sampled_from("&;")).join(f"{name}={quote(value, safe='')}" for name, value in pairs)
    address = f"{scheme}://{login}{host}{path}{query}"
    assume(MARK in address)
    return address


@given(addresses(as_typed=True))
@example(f"rtsp://me:1{MARK}/2@camera/live")
@example(f"rtsp://me:/{MARK}@camera/live")
@example(f"rtsp://:{MARK}@camera")
@example(f"rtsp://:?{MARK}@camera")
def test_an_address_is_shown_without_its_secrets(address: str) -> None:
    assert is_url(address)
    assert MARK not in masked(address)


@given(
    st.lists(addresses(as_typed=False), min_size=1, max_size=3),
    st.sampled_from(["{}", "'{}'", "“{}”: refused", "({})", "{}\n"]),
)
def test_a_text_is_shown_without_the_secrets_of_its_addresses(found: list[str], form: str) -> None:
    text = " and ".join(form.format(address) for address in found)
    assert MARK not in scrubbed(text)


@given(addresses(as_typed=True))
def test_what_is_masked_stays_as_it_is(address: str) -> None:
    assert masked(masked(address)) == masked(address)
    assert scrubbed(masked(address)) == masked(address)
