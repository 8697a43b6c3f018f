"""Fetching a URL: redirects, robots.txt, retries. What cannot be fetched is a reason, never an exception."""

from __future__ import annotations

import random
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from urllib.parse import urljoin

import httpcore

from windrow.tasks.fetching.body import RefusedBodyError, read_body
from windrow.tasks.fetching.fetch_config import WEB, FetchConfig
from windrow.tasks.fetching.hosts import Host, host_of
from windrow.tasks.fetching.locations import Address, parse_address, scheme_of
from windrow.tasks.fetching.network import (
    BadCertificateError,
    LookupTimedOutError,
    Network,
    RefusedAddressError,
    UnknownHostError,
)
from windrow.tasks.fetching.opt_out import MAX_ROBOTS_BYTES, USER_AGENT, RobotsRules, parse_robots, refusal_in
from windrow.tasks.fetching.reasons import (
    BAD_CERTIFICATE,
    CANNOT_CONNECT,
    CONNECTION_LOST,
    LOOKUP_TIMED_OUT,
    NO_ANSWER,
    NO_SIGN,
    NOT_A_URL,
    OF_HOST,
    PRIVATE_ADDRESS,
    ROBOTS_UNREAD,
    TIMED_OUT,
    TRUNCATED,
    UNKNOWN_HOST,
    Failure,
    Later,
    may_pass,
)
from windrow.tasks.texts.uris import shown_uri

_REDIRECTS = (301, 302, 303, 307, 308)
_TIMEOUTS = (httpcore.ReadTimeout, httpcore.WriteTimeout, httpcore.PoolTimeout)
_LOST = (httpcore.ReadError, httpcore.WriteError, httpcore.RemoteProtocolError)


@dataclass(frozen=True)
class _Response:
    status: int
    headers: Mapping[str, str]
    data: bytes = field(repr=False)


class Fetcher:
    """Fetches from any number of threads up to `config.concurrency`; connections are kept until `close`.

    Raises ValueError when `config.ca_file` is no file of certificates.
    """

    def __init__(self, config: FetchConfig, max_bytes: int) -> None:
        self._config = config
        self._max_bytes = min(max_bytes, config.max_bytes)
        self._network = Network(config.allow_private, config.lookup_seconds)
        self._closing = threading.Event()
        self._pool = httpcore.ConnectionPool(
            ssl_context=_tls(config.ca_file),
            max_connections=config.concurrency,
            keepalive_expiry=30.0,
            network_backend=self._network,
        )

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    def give_up(self) -> None:
        """Let threads that wait before another try stop waiting."""
        self._closing.set()

    def fetch(self, url: str) -> bytes | str:
        """Return the body of a URL of http or https, or the reason why there is none."""
        attempt = 0
        while isinstance(answer := self.once(url, attempt), Later):
            if self._closing.wait(answer.seconds):
                return answer.reason
            attempt += 1
        return answer

    def once(self, url: str, attempt: int) -> bytes | str | Later:
        """Try to fetch a URL for the `attempt`-th time, from 0."""
        try:
            address = parse_address(url)
        except ValueError:
            return NOT_A_URL
        answer = self._follow(address)
        if not isinstance(answer, Failure):
            return answer
        seconds = self._wait_after(answer, attempt, url)
        return answer.reason if seconds is None else Later(answer.reason, seconds)

    def host(self, url: str) -> Host | None:
        """Return the host of a URL, None where it is none."""
        try:
            return self._host(parse_address(url))
        except ValueError:
            return None

    def _wait_after(self, failure: Failure, attempt: int, url: str) -> float | None:
        """Return the seconds to wait before another try; None when there is to be none."""
        if not may_pass(failure.reason) or failure.reason == NO_ANSWER or attempt + 1 >= self._config.tries:
            return None
        if failure.retry_after is not None:
            return failure.retry_after if failure.retry_after <= self._config.max_retry_after else None
        spread = random.Random(f"{shown_uri(url)} {attempt}")  # a run is repeatable, and tries spread
        return float(self._config.retry_seconds * 2**attempt * spread.uniform(0.5, 1.5))

    def _follow(self, address: Address) -> bytes | Failure:
        for _ in range(self._config.max_redirects + 1):
            refused = self._refusal(address)
            if refused:
                return refused
            response = self._request(address, self._max_bytes, self._config.respect_opt_out)
            if isinstance(response, Failure):
                return response
            if response.status in (200, 203):
                return response.data
            target = _redirected(address, response)
            if not isinstance(target, Address):
                return target
            address = target
        return Failure(f"more than {self._config.max_redirects} redirects")

    def _refusal(self, address: Address) -> Failure | None:
        if address.scheme not in self._config.protocols:
            return Failure(f"protocol {address.scheme} is not in ingest.fetch.protocols")
        if not self._config.respect_opt_out:
            return None
        rules = self._host(address).robots(lambda: self._fetch_robots(address))
        if isinstance(rules, Failure):
            return rules
        return None if rules.allows(address.target) else Failure("refused by robots.txt")

    def _fetch_robots(self, address: Address) -> RobotsRules | Failure:
        """RFC 9309, 2.3.1: what is not there allows everything, what cannot be read now allows nothing."""
        place = parse_address(address.origin + "/robots.txt")
        for _ in range(self._config.max_redirects + 1):
            response = self._request(place, MAX_ROBOTS_BYTES)
            if isinstance(response, Failure):
                in_host = response.reason in OF_HOST
                return response if in_host else replace(response, reason=f"{ROBOTS_UNREAD}: {response.reason}")
            if response.status < 300:
                return parse_robots(response.data)
            if may_pass(f"HTTP {response.status}"):
                return Failure(f"{ROBOTS_UNREAD}: HTTP {response.status}")
            target = _redirected(place, response)
            if isinstance(target, Failure) or target.scheme not in self._config.protocols:
                break
            place = target
        return RobotsRules()

    def _host(self, address: Address) -> Host:
        return host_of(address.origin, self._config.per_host)

    def _request(self, address: Address, max_bytes: int, opts_out: bool = False) -> _Response | Failure:
        host = self._host(address)
        with host.slot():
            if host.is_down or self._closing.wait(max(0.0, host.resume_at - time.monotonic())):
                return Failure(NO_ANSWER)
            answer = self._exchange(address, max_bytes, opts_out)
            host.answered(not isinstance(answer, Failure) or answer.reason not in NO_SIGN)
            if isinstance(answer, Failure) and answer.retry_after is not None:
                host.pause(answer.retry_after, self._config.max_retry_after)
            return answer

    def _exchange(self, address: Address, max_bytes: int, opts_out: bool) -> _Response | Failure:
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

    def _read(self, response: httpcore.Response, max_bytes: int, opts_out: bool) -> _Response | Failure:
        pairs = [(name.decode("latin-1").lower(), value) for name, value in response.headers]
        headers = {name: value.decode("utf-8", "surrogateescape") for name, value in pairs}
        if response.status == 429 or response.status == 503:
            return Failure(f"HTTP {response.status}", _seconds_in(headers.get("retry-after", "")))
        if not 200 <= response.status < 300:
            return _Response(response.status, headers, b"")
        tags = [value.decode("latin-1") for name, value in pairs if name == "x-robots-tag"]
        refusal = refusal_in(tags) if opts_out else None
        if refusal:
            return Failure(f"refused by X-Robots-Tag: {refusal}")
        return _Response(response.status, headers, read_body(response.iter_stream(), headers, max_bytes))


def _redirected(address: Address, response: _Response) -> Address | Failure:
    """Return where a response that is no success leads; a login never goes along."""
    location = response.headers.get("location")
    if response.status not in _REDIRECTS or not location:
        return Failure(f"HTTP {response.status}")
    try:
        url = urljoin(address.url, location)
        scheme = scheme_of(url) or url.partition(":")[0].lower()
        if scheme not in WEB:
            return Failure(f"redirect to {scheme[:20]}: is refused")
        target = parse_address(url)
    except ValueError:
        return Failure("redirect to what is not a URL")
    return Address(target.scheme, target.host, target.port, target.target)


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
