"""One exchange over HTTP: an address is asked once, and what comes is a response or the reason why there is none."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache

import httpcore

from windrow.tasks.fetching.body import RefusedBodyError, read_body
from windrow.tasks.fetching.fetch_config import FetchConfig
from windrow.tasks.fetching.locations import Address
from windrow.tasks.fetching.network import (
    BadCertificateError,
    LookupTimedOutError,
    Network,
    RefusedAddressError,
    UnknownHostError,
)
from windrow.tasks.fetching.opt_out import USER_AGENT, refusal_in
from windrow.tasks.fetching.reasons import (
    BAD_CERTIFICATE,
    CANNOT_CONNECT,
    CONNECTION_LOST,
    LOOKUP_TIMED_OUT,
    NOT_A_URL,
    PRIVATE_ADDRESS,
    TIMED_OUT,
    TRUNCATED,
    UNKNOWN_HOST,
    Failure,
)

_TIMEOUTS = (httpcore.ReadTimeout, httpcore.WriteTimeout, httpcore.PoolTimeout)
_LOST = (httpcore.ReadError, httpcore.WriteError, httpcore.RemoteProtocolError)


@dataclass(frozen=True)
class Response:
    """An answer; `headers` has lower-case names, `data` is empty unless the status is one of success."""

    status: int
    headers: Mapping[str, str]
    data: bytes = field(repr=False)


class Connections:
    """Connections to hosts, kept until `close`, for any number of threads up to `config.concurrency`.

    Raises ValueError when `config.ca_file` is no file of certificates.
    """

    def __init__(self, config: FetchConfig) -> None:
        self._config = config
        self._network = Network(config.allow_private, config.lookup_seconds)
        self._pool = httpcore.ConnectionPool(
            ssl_context=_tls(config.ca_file),
            max_connections=config.concurrency,
            keepalive_expiry=30.0,
            network_backend=self._network,
        )

    def close(self) -> None:
        """Close them all."""
        self._pool.close()

    def exchange(self, address: Address, max_bytes: int, opts_out: bool) -> Response | Failure:
        """Ask an address; what is refused, cut, late or larger than `max_bytes` is a Failure."""
        has_answered = False
        try:
            with self._network.deadline(self._config.total_seconds), self._stream(address) as response:
                has_answered = True
                return self._read(response, max_bytes, opts_out)
        except RefusedAddressError:
            return Failure(PRIVATE_ADDRESS)
        except UnknownHostError:
            return Failure(UNKNOWN_HOST)
        except LookupTimedOutError:
            return Failure(LOOKUP_TIMED_OUT)
        except RefusedBodyError as refused:
            return Failure(str(refused))
        except _TIMEOUTS:
            return Failure(TIMED_OUT)
        except BadCertificateError:
            return Failure(BAD_CERTIFICATE)
        except (httpcore.ConnectError, httpcore.ConnectTimeout):
            return Failure(CANNOT_CONNECT)
        except _LOST as error:
            is_cut = has_answered and isinstance(error, httpcore.RemoteProtocolError)
            return Failure(TRUNCATED if is_cut else CONNECTION_LOST)
        except httpcore.LocalProtocolError:
            return Failure(NOT_A_URL)

    @contextmanager
    def _stream(self, address: Address) -> Iterator[httpcore.Response]:
        headers: dict[bytes | str, bytes | str] = {
            "Host": address.authority,
            "User-Agent": USER_AGENT,
            "Accept": "*/*",
            "Accept-Encoding": "identity",
        }
        if address.login:
            headers["Authorization"] = address.login
        config = self._config
        seconds = {"connect": config.connect_seconds, "read": config.read_seconds, "write": config.read_seconds}
        url = httpcore.URL(
            scheme=address.scheme.encode(),
            host=address.host.encode(),
            port=address.port,
            target=address.target.encode(),
        )
        with self._pool.stream("GET", url, headers=headers, extensions={"timeout": seconds}) as response:
            yield response

    def _read(self, response: httpcore.Response, max_bytes: int, opts_out: bool) -> Response | Failure:
        pairs = [(name.decode("latin-1").lower(), value) for name, value in response.headers]
        headers = {name: value.decode("utf-8", "surrogateescape") for name, value in pairs}
        if response.status == 429 or response.status == 503:
            return Failure(f"HTTP {response.status}", _seconds_in(headers.get("retry-after", "")))
        if not 200 <= response.status < 300:
            return Response(response.status, headers, b"")
        tags = [value.decode("latin-1") for name, value in pairs if name == "x-robots-tag"]
        refusal = refusal_in(tags) if opts_out else None
        if refusal:
            return Failure(f"refused by X-Robots-Tag: {refusal}")
        return Response(response.status, headers, read_body(response.iter_stream(), headers, max_bytes))


def _seconds_in(retry_after: str) -> float | None:
    """Return the seconds that Retry-After says, as a number or a date; None when it says nothing."""
    if retry_after.isdecimal():
        return float(retry_after[:9])
    try:
        then = parsedate_to_datetime(retry_after)
        return max(0.0, (then.replace(tzinfo=then.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return None


@cache
def _tls(ca_file: str | None) -> ssl.SSLContext:
    context = httpcore.default_ssl_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:  # an ssl.SSLError is one
            text = f"ingest.fetch.ca_file: wants a PEM file of certificates, got {ca_file}: {error}"
            raise ValueError(text) from None
    return context
