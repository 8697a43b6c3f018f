"""What robots.txt and X-Robots-Tag allow, by the rules of RFC 9309."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.fetching.opt_out import parse_robots, refusal_in


@pytest.mark.parametrize(
    ("robots", "path", "is_allowed"),
    [
        ("", "/a", True),
        ("User-agent: *\nDisallow: /", "/a", False),
        ("User-agent: *\nDisallow:", "/a", True),
        ("User-agent: *\nAllow: /\nDisallow: /private", "/private/a", False),
        ("User-agent: *\nDisallow: /\nAllow: /img/", "/img/a.jpg", True),
        ("User-agent: *\nDisallow: /a\nAllow: /a", "/a", True),
        ("User-agent: *\nDisallow: /*.jpg$", "/x/a.jpg", False),
        ("User-agent: *\nDisallow: /*.jpg$", "/x/a.jpg?s=1", True),
        ("User-agent: *\nDisallow: /*/private*/x", "/1/private2/x3", False),
        ("User-agent: *\nDisallow: /a$", "/ab", True),
        ("User-agent: *\nDisallow: /caf%C3%A9", "/caf%c3%a9/1", False),
        ("User-agent: other\nDisallow: /", "/a", True),
        ("User-agent: other\nUser-Agent: Windrow/2.0\nDisallow: /", "/a", False),
        ("User-agent: *\nDisallow: /\n\nUser-agent: windrow\nDisallow: /b", "/a", True),
        ("User-agent: windrow\nDisallow: /a\nUser-agent: x\nAllow: /\nUser-agent: windrow\nDisallow: /b", "/b", False),
        ("\ufeffuser-agent:*#all\ndisallow : /a # because\nCrawl-delay: 5\nnonsense", "/a", False),
    ],
)
def test_the_longest_rule_of_our_group_decides(robots: str, path: str, is_allowed: bool) -> None:
    assert parse_robots(robots.encode()).allows(path) is is_allowed


@given(st.binary(max_size=200), st.text(max_size=50))
@settings(deadline=None, max_examples=60)
def test_any_bytes_are_a_robots_txt(data: bytes, path: str) -> None:
    parse_robots(b"User-agent: *\n" + data).allows(path)


def test_a_pattern_made_to_be_slow_is_not() -> None:
    rules = parse_robots(b"User-agent: *\nDisallow: /" + b"*a" * 5000 + b"$")
    assert rules.allows("/" + "a" * 4000 + "b")


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        ([], None),
        (["index, follow"], None),
        (["follow", "NoAI"], "noai"),
        (["none"], "none"),
        (["googlebot: noindex, noai"], None),
        (["googlebot: noindex", "noimageindex"], "noimageindex"),
        (["googlebot: noindex, windrow: noai"], "noai"),
        (["max-snippet: 5, noimageai"], "noimageai"),
    ],
)
def test_x_robots_tag_refuses_by_its_words_for_us(headers: list[str], refusal: str | None) -> None:
    assert refusal_in(headers) == refusal
