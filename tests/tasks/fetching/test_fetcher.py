"""What comes of fetching from a real server that is slow, rude, broken or hostile."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore, Event
from threading import enumerate as enumerate_threads
from typing import Any

import pytest
from web_server import Web, picture

from windrow.tasks.fetching import network
from windrow.tasks.fetching.fetch_config import FetchConfig
from windrow.tasks.fetching.fetcher import Fetcher
from windrow.tasks.fetching.opt_out import USER_AGENT


def fetch(url: str, max_bytes: int = 10**6, **settings: Any) -> bytes | str:
    wanted = {"allow_private": True, "read_seconds": 0.3, "total_seconds": 0.5, "retry_seconds": 0.001, **settings}
    with Fetcher(FetchConfig(**wanted), max_bytes) as fetcher:
        return fetcher.fetch(url)


def test_a_body_is_fetched_with_our_name_and_robots_txt_once_before(web: Web) -> None:
    with Fetcher(FetchConfig(allow_private=True), 10**6) as fetcher:
        assert [fetcher.fetch(f"{web.url}/img/{n}.png") for n in range(3)] == [picture(n) for n in range(3)]
    assert web.asked == {"/robots.txt": 1, "/img/0.png": 1, "/img/1.png": 1, "/img/2.png": 1}
    assert web.seen_headers["/img/1.png"]["User-Agent"] == USER_AGENT


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/none", "HTTP 404"),
        ("/stall", "timed out"),
        ("/drip", "timed out"),
        ("/driphead", "timed out"),
        ("/cut", "truncated body"),
        ("/chunked", "truncated body"),
        ("/huge", "too large: more than 1000000 bytes"),
        ("/endless", "too large: more than 1000000 bytes"),
        ("/bomb", "too large: more than 1000000 bytes"),
        ("/brotli", "content encoding br is not read"),
        ("/down", "HTTP 503"),
        ("/reset", "connection lost"),
        ("/garbage", "connection lost"),
        ("/to?/to?/to?/to?/to?/to?/to?/img/1.png", "more than 5 redirects"),
        ("/to?file:///etc/passwd", "redirect to file: is refused"),
        ("/to?ftp://127.0.0.1/x", "redirect to ftp: is refused"),
        ("/to?http://[", "redirect to what is not a URL"),
        ("/to?", "HTTP 302"),
        ("/tagged?noai", "refused by X-Robots-Tag: noai"),
        ("/tagged?otherbot:%20nofollow,%20windrow:%20noimageai", "refused by X-Robots-Tag: noimageai"),
    ],
)
def test_what_cannot_be_fetched_is_a_reason(web: Web, path: str, reason: str) -> None:
    patient = {} if reason == "timed out" else {"read_seconds": 20.0, "total_seconds": 60.0}  # however slow the machine
    started = time.monotonic()
    assert fetch(web.url + path, tries=1, **patient) == reason
    assert time.monotonic() - started < 5 or patient


@pytest.mark.parametrize("path", ["/busy", "/broken"])
def test_what_fails_for_now_is_tried_again(web: Web, path: str) -> None:
    assert fetch(web.url + path) == picture(4)
    assert web.asked[path] == 2


def test_what_goes_on_failing_is_tried_a_few_times_and_what_is_final_once(web: Web) -> None:
    assert fetch(web.url + "/down", tries=3) == "HTTP 503"
    assert fetch(web.url + "/none", tries=3) == "HTTP 404"
    assert (web.asked["/down"], web.asked["/none"]) == (3, 1)


def test_a_server_that_wants_a_long_pause_is_left_alone_for_it(web: Web) -> None:
    assert fetch(web.url + "/busylong") == "HTTP 429"
    assert fetch(web.url + "/img/1.png") == "host does not answer"
    assert web.asked == {"/robots.txt": 1, "/busylong": 1}


def test_a_redirect_is_followed_and_a_length_that_is_too_short_cuts_the_body(web: Web) -> None:
    assert fetch(f"{web.url}/to?/img/5.png") == picture(5)
    assert fetch(f"{web.url}/to?{web.url}/img/6.png") == picture(6)
    assert fetch(f"{web.url}/short") == picture(1)[:-20]
    assert fetch(f"{web.url}/gzip") == picture(2)
    assert fetch(f"{web.url}/html") == b"<html>not found, but 200</html>"


def test_tags_for_other_agents_and_other_words_do_not_refuse(web: Web) -> None:
    for tag in ("otherbot:%20noai", "nofollow", "unavailable_after:%2025%20Jun%202010", "noarchive,%20all"):
        assert fetch(f"{web.url}/tagged?{tag}") == picture(3), tag
    assert fetch(f"{web.url}/tagged?noai", respect_opt_out=False) == picture(3)


def test_robots_txt_is_honoured_also_where_a_redirect_leads(web: Web) -> None:
    web.robots = b"User-agent: *\nAllow: /\nDisallow: /img/\n"
    assert fetch(f"{web.url}/img/1.png") == "refused by robots.txt"
    assert fetch(f"{web.url}/to?/img/1.png") == "refused by robots.txt"
    assert fetch(f"{web.url}/gzip") == picture(2)
    assert fetch(f"{web.url}/img/1.png", respect_opt_out=False) == picture(1)
    assert web.asked["/robots.txt"] == 1


def test_where_robots_txt_cannot_be_read_nothing_is_fetched(web: Web) -> None:
    web.robots, web.robots_status = b"", 500
    assert fetch(f"{web.url}/img/1.png", tries=2) == "robots.txt cannot be read: HTTP 500"
    assert web.asked == {"/robots.txt": 2}
    web.robots_status = 200
    assert fetch(f"{web.url}/img/1.png") == picture(1)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "169.254.169.254",
        "10.1.2.3",
        "192.168.0.1",
        "100.64.0.1",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fec0::1]",
        "224.0.0.1",
        "240.0.0.1",
        "0.0.0.0",
        "0",
        "2130706433",
        "0177.0.0.1",
        "0x7f.1",
        "127.1",
    ],
)
def test_private_addresses_are_refused_however_they_are_spelt(host: str) -> None:
    assert fetch(f"http://{host}/", allow_private=False) == "private address"


def test_a_redirect_to_a_private_address_is_refused(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    port = web.server_address[1]
    real = network.is_public
    monkeypatch.setattr(network, "is_public", lambda address: str(address) == "127.0.0.1" or real(address))
    assert fetch(f"{web.url}/to?http://127.0.0.2:{port}/img/1.png", allow_private=False) == "private address"
    assert web.asked == {"/robots.txt": 1, f"/to?http://127.0.0.2:{port}/img/1.png": 1}


def test_the_connection_goes_to_the_address_that_was_checked(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    port, lookups = web.server_address[1], 0
    look_up, real = network.socket.getaddrinfo, network.is_public

    def rebinding(name: str, *others: Any, **more: Any) -> list[Any]:
        nonlocal lookups
        lookups += name == "rebinding.example"
        address = "127.0.0.1" if lookups == 1 else "127.0.0.2"
        return look_up(address if name == "rebinding.example" else name, *others, **more)

    monkeypatch.setattr(network.socket, "getaddrinfo", rebinding)
    monkeypatch.setattr(network, "is_public", lambda address: str(address) == "127.0.0.1" or real(address))
    stream = network.Network(allow_private=False).connect_tcp("rebinding.example", port, 1.0)
    assert stream.get_extra_info("server_addr") == ("127.0.0.1", port)
    stream.close()


def test_a_name_that_nobody_resolves_costs_its_time_and_its_url_only(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    answered, look_up = Event(), network.socket.getaddrinfo

    def hanging(name: str, *others: Any, **more: Any) -> list[Any]:
        if name == "hanging.example":
            answered.wait(30)
        return look_up("127.0.0.1" if name == "hanging.example" else name, *others, **more)

    monkeypatch.setattr(network.socket, "getaddrinfo", hanging)
    started = time.monotonic()
    settings: dict[str, Any] = {"lookup_seconds": 0.1, "tries": 1}
    assert fetch("http://hanging.example/img/1.png", **settings) == "name lookup timed out"
    assert fetch(f"{web.url}/img/1.png", **settings) == picture(1)
    assert time.monotonic() - started < 10
    answered.set()
    assert network.resolve_in_time("hanging.example", 80, 5.0) == ["127.0.0.1"]


def test_only_so_many_names_are_looked_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_lookups", BoundedSemaphore(1))
    answered = Event()
    monkeypatch.setattr(network.socket, "getaddrinfo", lambda *_, **__: answered.wait(30) and [])
    for _ in range(2):
        with pytest.raises(network.LookupTimedOutError):
            network.resolve_in_time("hanging.example", 80, 0.05)
    (thread,) = (thread for thread in enumerate_threads() if thread.name == "look up hanging.example")
    answered.set()
    thread.join()


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "http://", "http://a b/", "http://x:99999/", "http://[::1", "nothing", "http://a\r\nb/"],
)
def test_what_is_no_url_is_said_to_be_none(url: str) -> None:
    assert fetch(url) == "not a URL"


def test_a_scheme_that_is_not_allowed_is_refused_also_after_a_redirect(web: Web) -> None:
    assert fetch("http://127.0.0.1/", protocols=("https",)) == "protocol http is not in ingest.fetch.protocols"
    assert fetch(f"{web.url}/to?https://127.0.0.1/", protocols=("http",)).startswith("protocol https")


def test_a_login_is_sent_to_its_host_and_not_along_with_a_redirect(web: Web) -> None:
    address = web.url.replace("http://", "http://me:p%40ss@")
    assert fetch(f"{address}/to?{web.url}/img/2.png") == picture(2)
    assert web.seen_headers[f"/to?{web.url}/img/2.png"]["Authorization"] == "Basic bWU6cEBzcw=="
    assert "Authorization" not in web.seen_headers["/img/2.png"] | web.seen_headers["/robots.txt"]


def test_a_host_that_refuses_connections_is_left_alone_after_a_few(unused_port: int) -> None:
    with Fetcher(FetchConfig(allow_private=True, tries=2, retry_seconds=0.001), 100) as fetcher:
        reasons = [fetcher.fetch(f"http://127.0.0.1:{unused_port}/{n}") for n in range(4)]
    assert reasons == ["cannot connect", "cannot connect", "host does not answer", "host does not answer"]


def test_no_host_has_more_requests_at_once_than_it_may(web: Web) -> None:
    with (
        Fetcher(FetchConfig(allow_private=True, concurrency=8, per_host=2), 10**6) as fetcher,
        ThreadPoolExecutor(8) as threads,
    ):
        bodies = list(threads.map(lambda n: fetcher.fetch(f"{web.url}/slow/{n}.png"), range(8)))
    assert bodies == [picture(n) for n in range(8)]
    assert web.most_at_once == 2


def test_a_wait_ends_when_fetching_is_given_up(web: Web) -> None:
    with Fetcher(FetchConfig(allow_private=True, retry_seconds=1000), 100) as fetcher, ThreadPoolExecutor(1) as threads:
        fetching = threads.submit(fetcher.fetch, f"{web.url}/down")
        while not web.asked["/down"]:
            time.sleep(0.001)
        fetcher.give_up()
        assert fetching.result(5) == "HTTP 503"


@pytest.fixture
def unused_port() -> Iterator[int]:
    """Yield a port that nobody listens on: it is bound, so nobody else gets it."""
    with network.socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]
