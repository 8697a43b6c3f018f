import math

import pytest

from windrow.tasks.report.formats import compact, decimal, duration, of_pairs, percent, plural, shortened, size


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [
        (0, 1, "0%"),
        (1, 1, "100%"),
        (0.1234, 1, "12.3%"),
        (0.5, 0, "50%"),
        (0.0004, 1, "<0.1%"),
        (0.99999, 1, ">99.9%"),
        (0.999, 0, ">99%"),
        (0.3 + 0.6 + 0.1, 0, "100%"),
        (math.nan, 1, "–"),
    ],
)
def test_a_share_that_is_not_quite_nothing_or_all_does_not_read_as_if_it_were(
    share: float, digits: int, text: str
) -> None:
    assert percent(share, digits) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (12.3, "12 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")],
)
def test_durations_have_two_units_at_most(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_sizes_counts_and_ticks_are_short() -> None:
    assert [size(n) for n in (0, 999, 1400, 123456, 5e9, 7e13)] == [
        "0 B",
        "999 B",
        "1.4 kB",
        "123 kB",
        "5.0 GB",
        "70.0 TB",
    ]
    assert of_pairs(26049, 199_990_000) == "26,049 of 199,990,000 pairs compared (0.01%)"
    assert of_pairs(0, 0) == "0 of 0 pairs compared (0%)"
    assert [plural(1, "sample"), plural(2000, "sample")] == ["1 sample", "2,000 samples"]
    assert [compact(n) for n in (5, 1000, 20_000, 1_000_000)] == ["5", "1k", "20k", "1M"]
    assert [decimal(None), decimal(math.nan), decimal(1234.5, 1)] == ["–", "–", "1,234.5"]


def test_a_text_that_was_cut_is_no_longer_than_asked_and_says_so() -> None:
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abc def", 5) == "abc…"
