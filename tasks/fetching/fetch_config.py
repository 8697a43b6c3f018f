"""How far, how fast and from where samples are fetched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le

from windrow.schemas.settings import IsPath, Settings

WEB = ("http", "https")
AtLeastOne = Annotated[int, Ge(1)]
NotNegative = Annotated[float, Ge(0)]
Seconds = Annotated[float, Gt(0), Le(86400)]


@dataclass(frozen=True)
class FetchConfig(Settings):
    """How the samples that a list names are fetched.

    What may be fetched: what lies below the list's own folder; URLs of `protocols` (`http`, `https`, and those of
    fsspec that are named, such as `s3`, which use your credentials), but from private, loopback and link-local
    addresses only with `allow_private`; other local files only with `allow_outside`. Connections are direct: proxies
    that the environment names are not used. With `respect_opt_out`, robots.txt and
    X-Robots-Tag (noindex, noimageindex, noai, noimageai, none) are honoured. Bodies of more than `max_bytes` bytes,
    before or after decompression, are refused, and chains of more than `max_redirects` redirects. Certificates of
    servers are checked; `ca_file` (PEM) has authorities to trust besides the public ones, such as a company's own.

    How patiently (none of this changes what a finished shard is): `lookup_seconds` to look up a host's address,
    `connect_seconds` to connect, `read_seconds` between two pieces of a body, `total_seconds` for a request; `tries` of
    a request that failed for now (429, 5xx, timeouts, lost connections), after `retry_seconds`, twice as many, ..., or
    what the server's Retry-After says, when that is not more than `max_retry_after`; `concurrency` requests at once in
    a worker, `per_host` of these to one host; `runs` in which a shard with samples that failed for now is tried, the
    first included. A host may lose `host_seconds` of a run in each worker (in failed tries, in pauses that it asks
    for, in answers that take more than 5 s), and a run may fetch for `run_seconds`: what is left then is left to the
    next run, and does not count as a try.
    """

    protocols: tuple[str, ...] = WEB
    allow_private: bool = False
    allow_outside: bool = False
    respect_opt_out: bool = True
    max_bytes: AtLeastOne = 32 * 2**20
    max_redirects: Annotated[int, Ge(0)] = 5
    ca_file: Annotated[str, IsPath()] | None = None
    lookup_seconds: Seconds = 10.0
    connect_seconds: Seconds = 10.0
    read_seconds: Seconds = 20.0
    total_seconds: Seconds = 120.0
    tries: AtLeastOne = 3
    retry_seconds: NotNegative = 1.0
    max_retry_after: NotNegative = 60.0
    concurrency: AtLeastOne = 16
    per_host: AtLeastOne = 4
    runs: AtLeastOne = 4
    host_seconds: Seconds = 300.0
    run_seconds: Seconds = 21600.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.protocols:
            if not name or name != name.lower() or not name.replace("+", "").replace("-", "").isalnum():
                raise ValueError(f"protocols: wants names such as https or s3, got {name!r}")


PACE = (
    "lookup_seconds",
    "connect_seconds",
    "read_seconds",
    "total_seconds",
    "tries",
    "retry_seconds",
    "max_retry_after",
    "concurrency",
    "per_host",
    "runs",
    "host_seconds",
    "run_seconds",
)
"""The fields that only say how patiently; what a finished shard is depends on the others."""
