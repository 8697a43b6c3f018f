"""URLs without their secrets, and what of a URL says which image it is."""

import pytest

from windrow.tasks.fetching.locations import parse_address, public_url, unsigned_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:pw@h.example:8443/a b?x=1#frag", "https://h.example:8443/a b?x=1"),
        ("https://b/k?X-Amz-Date=1&X-Amz-Signature=f&x-amz-security-token=q&w=2", "https://b/k?w=2"),
        ("https://b/k?AWSAccessKeyId=A&Signature=s&Expires=1", "https://b/k"),
        ("https://b/k?sv=1&sr=b&sig=zz&name=3", "https://b/k?name=3"),
        ("https://b/k?sv=1&name=3", "https://b/k?sv=1&name=3"),
        ("https://b/k?access_token=zz&api-key=q&key=9", "https://b/k?access_token=***&api-key=***&key=9"),
        ("s3://bucket/a/b.jpg", "s3://bucket/a/b.jpg"),
        ("http://[::1", "***"),
    ],
)
def test_logins_and_signatures_are_not_shown(url: str, shown: str) -> None:
    assert public_url(url) == shown


def test_a_url_that_is_signed_anew_names_the_same() -> None:
    first, second = (f"https://b/k?id=7&X-Amz-Date={n}&X-Amz-Signature={n}" for n in range(2))
    assert unsigned_url(first) == unsigned_url(second) == "https://b/k?id=7"
    assert unsigned_url("https://b/k?token=1") != unsigned_url("https://b/k?token=2")


def test_an_address_is_ascii_whatever_the_url_holds() -> None:
    address = parse_address("HTTP://Bücher.Example:8080/é è?q=ü&r=%20")
    assert (address.host, address.target) == ("xn--bcher-kva.example", "/%C3%A9%20%C3%A8?q=%C3%BC&r=%20")
    assert address.authority == "xn--bcher-kva.example:8080"
    assert parse_address("https://[::1]/").authority == "[::1]"


NOT_ADDRESSES = ["s3://b/k", "http://", "http://a\tb/", "http://a:b:c/", "http://é\ud800/", "http://x/" + "a" * 9000]


@pytest.mark.parametrize("url", NOT_ADDRESSES)
def test_what_is_no_address_raises_value_error(url: str) -> None:
    with pytest.raises(ValueError, match=r"not a URL|Port|codec|label|surrogates"):
        parse_address(url)
