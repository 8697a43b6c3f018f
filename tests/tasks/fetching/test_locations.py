"""URLs without their secrets, and what of a URL says which image it is."""

import pytest

from windrow.tasks.fetching.locations import parse_address, unsigned_url


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
