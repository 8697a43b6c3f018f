import pytest

from windrow.tasks.config import parse_config
from windrow.tasks.config_file import ConfigError
from windrow.tasks.fetching.fetch_config import PACE, FetchConfig


@pytest.mark.parametrize(
    "field",
    [
        {"protocols": ("HTTP",)},
        {"protocols": ("",)},
        {"max_bytes": 0},
        {"max_redirects": -1},
        {"connect_seconds": 0.0},
        {"read_seconds": float("nan")},
        {"total_seconds": float("inf")},
        {"tries": 0},
        {"retry_seconds": -1.0},
        {"max_retry_after": -1.0},
        {"concurrency": 0},
        {"per_host": 0},
        {"runs": 0},
    ],
)
def test_senseless_values_are_refused_by_name(field: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=rf"^{next(iter(field))}: wants "):
        FetchConfig(**field)  # type: ignore[arg-type]


def test_the_pace_is_made_of_fields() -> None:
    assert set(PACE) < set(vars(FetchConfig()))


def test_a_config_file_sets_it_and_a_wrong_name_is_named() -> None:
    config = parse_config({"sources": ["list:a.csv"], "ingest": {"fetch": {"protocols": ["https", "s3"]}}})
    assert config.ingest.fetch.protocols == ("https", "s3")
    with pytest.raises(ConfigError, match=r"ingest\.fetch\.tires: there is no such field; did you mean .*tries"):
        parse_config({"sources": ["a"], "ingest": {"fetch": {"tires": 3}}})
