"""Columns as codes: the names of each sample come back, whatever they are."""

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.explore.columns import MOST_NAMES, NOTHING, named


@settings(deadline=None, max_examples=60)
@given(st.lists(st.none() | st.text(max_size=3), max_size=40))
def test_every_code_is_of_its_name_and_frequent_names_come_first(values: list[str | None]) -> None:
    found = named(pa.chunked_array([pa.array(values, pa.string())]))
    assert [None if code == NOTHING else found.names[code] for code in found.codes] == values
    order = [(-values.count(name), name) for name in found.names]
    assert order == sorted(order)


def test_the_rarest_of_too_many_names_have_no_code() -> None:
    values = [str(number) for number in range(MOST_NAMES + 5)]
    found = named(pa.array([*values, "0"], pa.string()))
    assert (len(found.names), (found.codes == NOTHING).sum()) == (MOST_NAMES, 5)
    assert found.codes[0] == found.codes[-1] == 0
