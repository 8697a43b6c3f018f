"""Fetching a URL: redirects, robots.txt, retries. What cannot be fetched is a reason, never an exception."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import replace
from urllib.parse import urljoin

from windrow.tasks.fetching.exchange import Connections, Response
from windrow.tasks.fetching.fetch_config import WEB, FetchConfig
from windrow.tasks.fetching.hosts import Host, host_of
from windrow.tasks.fetching.locations import Address, parse_address, scheme_of
from windrow.tasks.fetching.opt_out import MAX_ROBOTS_BYTES, RobotsRules, parse_robots
from windrow.tasks.fetching.reasons import (
    NO_ANSWER,
    NO_SIGN,
    NOT_A_URL,
    OF_HOST,
    ROBOTS_UNREAD,
    Failure,
    Later,
    may_pass,
)
from windrow.tasks.texts.uris import shown_uri

_REDIRECTS = (301, 302, 303, 307, 308)


class Fetcher:
    """Fetches from any number of threads up to `config.concurrency`; connections are kept until `close`.

    Raises ValueError when `config.ca_file` is no file of certificates.
    """

    def __init__(self, config: FetchConfig, max_bytes: int) -> None:
        self._config = config
        self._max_bytes = min(max_bytes, config.max_bytes)
        self._connections = Connections(config)
        self._closing = threading.Event()

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(self, *_: object) -> None:
        self._connections.close()

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

    def _request(self, address: Address, max_bytes: int, opts_out: bool = False) -> Response | Failure:
        host = self._host(address)
        with host.slot():
            if host.is_down or self._closing.wait(max(0.0, host.resume_at - time.monotonic())):
                return Failure(NO_ANSWER)
            answer = self._connections.exchange(address, max_bytes, opts_out)
            host.answered(not isinstance(answer, Failure) or answer.reason not in NO_SIGN)
            if isinstance(answer, Failure) and answer.retry_after is not None:
                host.pause(answer.retry_after, self._config.max_retry_after)
            return answer


def _redirected(address: Address, response: Response) -> Address | Failure:
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
