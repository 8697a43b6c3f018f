"""URLs: taken apart for a request, and without what changes whenever they are signed."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

MAX_LENGTH = 8192
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9._\-]*[a-z0-9_])?\.?|[0-9a-f:.]*:[0-9a-f:.]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PORTS = {"http": 80, "https": 443}
_SIGNING = re.compile(
    r"x-(amz|goog|ms|oss|cos)-.*|awsaccesskeyid|googleaccessid|signature|expires|policy|key-pair-id", re.I
)
_AZURE = re.compile(r"sig|s[eptvri]|spr|sip|ss|srt|ske|skoid|sk[stv]|sktid")


@dataclass(frozen=True)
class Address:
    """A URL of http or https, ready for a request: `host` and `target` are ASCII, `login` is a header or None."""

    scheme: str
    host: str
    port: int
    target: str = field(repr=False)
    login: str | None = field(default=None, repr=False)

    @property
    def authority(self) -> str:
        """The host as the Host header spells it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{self.scheme}://{self.authority}"

    @property
    def url(self) -> str:
        """The URL, without login and fragment."""
        return self.origin + self.target


def scheme_of(location: str) -> str | None:
    """Return the scheme of a URL, lower case; None of what is no URL but a path."""
    match = _SCHEME.match(location)
    return match[1].lower() if match else None


def parse_address(url: str) -> Address:
    """Take a URL of http or https apart. Raises ValueError when it is none."""
    if len(url) > MAX_LENGTH or _CONTROL.search(url):  # urlsplit would drop tabs and line ends
        raise ValueError("not a URL")
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or not parts.hostname:
        raise ValueError("not a URL")
    host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode().lower()
    if not _HOST.fullmatch(host):
        raise ValueError("not a URL")
    target = _quoted(parts.path or "/") + ("?" + _quoted(parts.query) if parts.query else "")
    return Address(scheme, host, parts.port or _PORTS[scheme], target, _login(parts))


def unsigned_url(url: str) -> str:
    """Return a URL without the parameters that change whenever it is signed anew: what it names stays the same."""
    parts = _split(url)
    return url if parts is None else urlunsplit(parts._replace(query="&".join(_unsigned(parts.query))))


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _unsigned(query: str) -> list[str]:
    pairs = query.split("&") if query else []
    names = [unquote(pair.partition("=")[0]).lower() for pair in pairs]
    patterns = (_SIGNING, _AZURE) if "sig" in names else (_SIGNING,)
    named = zip(names, pairs, strict=True)
    return [pair for name, pair in named if not any(pattern.fullmatch(name) for pattern in patterns)]


def _login(parts: SplitResult) -> str | None:
    user, at, _ = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    return "Basic " + base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode() if at else None


def _quoted(text: str) -> str:
    return quote(text, safe="/%:@!$&'()*+,;=~?[]", errors="surrogateescape")
