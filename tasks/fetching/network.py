"""Connections to checked addresses, with a limit on the time that a whole request takes.

A name is resolved here, the addresses are checked, and the connection goes to a checked address, not to the name: a
name that resolves to another address a moment later (DNS rebinding) leads nowhere else. `httpcore` offers this seam.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

import httpcore

MAX_ADDRESSES = 4
MAX_LOOKUPS = 256
_NAT64 = IPv6Network("64:ff9b::/96")
_UNICAST = IPv6Network("2000::/3")
_ASSIGNMENTS = IPv4Network("192.0.0.0/24")


class RefusedAddressError(Exception):
    """The address may not be connected to."""


class UnknownHostError(Exception):
    """There is no host of this name."""


class BadCertificateError(Exception):
    """The certificate of the host is expired, of another host, or signed by nobody who is trusted."""


class LookupTimedOutError(Exception):
    """Nobody has said in time what the addresses of a host are."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Say whether an address is of the public internet; of one that carries an IPv4 address, that counts too."""
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast and address not in _ASSIGNMENTS
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    return address in _UNICAST and address.is_global and address.sixtofour is None and address.teredo is None


class Network(httpcore.NetworkBackend):
    """Connects to public addresses only, or to any; `deadline` limits the requests of the calling thread.

    Looking up a host's addresses may take `lookup_seconds`.
    """

    def __init__(self, allow_private: bool, lookup_seconds: float = 10.0) -> None:
        self._allow_private = allow_private
        self._lookup_seconds = lookup_seconds
        self._plain = httpcore.SyncBackend()
        self._clock = _Clock()

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        """Let everything that the calling thread waits for in this block end after so many seconds."""
        self._clock.end = time.monotonic() + seconds
        try:
            yield
        finally:
            self._clock.end = None

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of the host that answers.

        Raises RefusedAddressError when one of its addresses is not public, UnknownHostError, LookupTimedOutError, and
        ConnectError or ConnectTimeout of httpcore.
        """
        seconds = self._clock.left(self._lookup_seconds, httpcore.ConnectTimeout)
        addresses = resolve_in_time(host, port, seconds or self._lookup_seconds)
        if not self._allow_private and not all(is_public(ip_address(address)) for address in addresses):
            raise RefusedAddressError
        error: Exception = httpcore.ConnectError("no address")
        for address in addresses[:MAX_ADDRESSES]:
            try:
                left = self._clock.left(timeout, httpcore.ConnectTimeout)
                return _Stream(self._plain.connect_tcp(address, port, left, local_address, socket_options), self._clock)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failure:
                error = failure
        raise error


class _Clock(threading.local):
    end: float | None = None

    def left(self, timeout: float | None, error: type[Exception]) -> float | None:
        """Return the time until the timeout or the deadline, whichever comes first."""
        if self.end is None:
            return timeout
        left = self.end - time.monotonic()
        if left <= 0:
            raise error("over the deadline")
        return left if timeout is None else min(left, timeout)


class _Stream(httpcore.NetworkStream):
    """A connection whose every operation ends at the deadline of the thread that waits for it."""

    def __init__(self, stream: httpcore.NetworkStream, clock: _Clock) -> None:
        self._stream, self._clock = stream, clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._clock.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._clock.left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._clock.left(timeout, httpcore.ConnectTimeout)
        try:
            return _Stream(self._stream.start_tls(ssl_context, server_hostname, left), self._clock)
        except httpcore.ConnectError as error:  # its pool takes away the cause
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                raise BadCertificateError from None
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


_lookups = threading.BoundedSemaphore(MAX_LOOKUPS)


def resolve_in_time(host: str, port: int, seconds: float) -> list[str]:
    """Return the addresses of a host, as `_resolve` does. Raises LookupTimedOutError after so many seconds.

    The system offers no lookup that ends in time, so it goes on in a thread that nobody waits for; MAX_LOOKUPS of them
    at most, and while there are as many nothing else is looked up.
    """
    if not _lookups.acquire(timeout=seconds):
        raise LookupTimedOutError
    answer: Future[list[str]] = Future()

    def look_up() -> None:
        try:
            answer.set_result(_resolve(host, port))
        except BaseException as error:
            answer.set_exception(error)
        finally:
            _lookups.release()

    threading.Thread(target=look_up, name=f"look up {host}", daemon=True).start()
    try:
        return answer.result(seconds)
    except TimeoutError:
        raise LookupTimedOutError from None


def _resolve(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise UnknownHostError from None
    except socket.gaierror as error:
        if error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None)):
            raise UnknownHostError from None
        raise httpcore.ConnectError(str(error)) from None
    return list(dict.fromkeys(str(place[0]) for *_, place in found))
