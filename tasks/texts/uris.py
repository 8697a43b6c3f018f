"""URIs as text: what is written anywhere of one, and how it is found in the words of others."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

HIDDEN = "***"
WEB = ("http", "https")
ALLOWED = frozenset(
    """
    id ids file filename name path page p w h width height size fit crop q quality fm format f ext type v ver version
    versionid rev revision lang img image imgid imageid image_id photo photoid photo_id item itemid item_id index idx
    num n x y dpr scale download raw alt auto resize thumb rotate frame
    """.split()  # noqa: SIM905
)
"""Names of a query whose values say which picture it is, or how large. All others are not written."""
NO_SECRET_USER = frozenset(("abfs", "abfss", "wasb", "wasbs", "hdfs", "github", "hf", "gs", "gcs"))
"""Schemes in which what comes before an @ is a container, a repository or a user, where no password is with it."""
_SIGNING = re.compile(
    r"x-(amz|goog|ms|oss|cos)-.*|awsaccesskeyid|googleaccessid|signature|expires|policy|key-pair-id"
    r"|sig|s[eptvri]|spr|sip|ss|srt|ske|skoid|sk[stv]|sktid",
    re.IGNORECASE,
)
_CHAIN = re.compile(r"::(?=[A-Za-z][A-Za-z0-9+.\-]*://)")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[^\s<>\"'`\\|{}^\x00-\x1f]+")


def shown_uri(uri: str) -> str:
    """Return a URI that may be written down: no login, no fragment, of the query what ALLOWED names.

    Of what is left out a HIDDEN remains, unless it is only a login or a signature of the web: the same picture signed
    anew is the same. A path and a `file:` URI stay as they are.

    >>> shown_uri("https://me:pw@h/a.png?w=64&token=f00&X-Amz-Signature=1#x"), shown_uri("s3://bucket/a#1.png")
    ('https://h/a.png?w=64&***', 's3://bucket/a#1.png')
    """
    chained = _CHAIN.split(uri)
    if len(chained) > 1:  # fsspec's: a file in what comes after the colons
        return "::".join(map(shown_uri, chained))
    scheme = uri.partition("://")[0].lower() if "://" in uri else ""
    if scheme in ("", "file"):
        return uri
    try:
        parts = urlsplit(uri)
        _ = parts.port if scheme in WEB else None
    except ValueError:  # a password with a / in it, for one: what is which cannot be told
        return f"{scheme}://{HIDDEN}"
    is_web = scheme in WEB
    place, path = _place(parts, scheme), _path(parts.path)
    if not is_web and "@" not in parts.netloc and "?" not in uri:
        return uri  # an object's name may have a # in it
    return urlunsplit((parts.scheme, place, path, _query(parts.query, is_web), ""))


def shown_text(text: str) -> str:
    """Return text with every URI in it as `shown_uri` gives it."""
    return _URI.sub(lambda found: shown_uri(found[0]), text) if "://" in text else text


def _place(parts: SplitResult, scheme: str) -> str:
    user, at, host = parts.netloc.rpartition("@")
    if not at or (scheme in NO_SECRET_USER and ":" not in user):
        return parts.netloc
    return host if scheme in WEB else f"{HIDDEN}@{host}"


def _path(path: str) -> str:
    """A path without what its segments say after a semicolon: servers of Java put the session there."""
    return "/".join(";".join(_kept(segment.split(";"))) for segment in path.split("/")) if ";" in path else path


def _kept(parts: list[str]) -> list[str]:
    return [parts[0], *(part for part in parts[1:] if _is_allowed(part) or "=" not in part)]


def _query(query: str, is_web: bool) -> str:
    pairs = [pair for pair in re.split("[&;]", query) if pair]
    kept = [pair for pair in pairs if pair != HIDDEN and _is_allowed(pair)]
    names = [unquote(pair.partition("=")[0]) for pair in pairs if pair not in kept]
    hides = any(not is_web or not _SIGNING.fullmatch(name) for name in names)
    return "&".join([*kept, *([HIDDEN] if hides else [])])


def _is_allowed(pair: str) -> bool:
    name, equals, value = pair.partition("=")
    inner = unquote(unquote(value))
    return bool(equals) and unquote(name).lower() in ALLOWED and shown_text(inner) == inner and "@" not in inner
