"""What a wish to forget is about: ids, sources, files of ids, and near-duplicates of these."""

import shutil
from pathlib import Path

import pytest
from small_pool import SmallPool, curate_small, ids, make_small_pool

from windrow.tasks.takedown.forget_targets import Chosen, choose
from windrow.tasks.takedown.removal import forget


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> SmallPool:
    # The filter drops the picture that is wanted before the ranking compares it with anything.
    (wanted,) = ids(make_small_pool(tmp_path_factory.mktemp("to-know-its-id")).wanted)
    rules = {"target_size": 100, "filters": [{"name": "not-her", "keep": f"sample_id <> '{wanted}'"}]}
    made = make_small_pool(tmp_path_factory.mktemp("small"), selection=rules)
    (made.folder / "pool" / "loose" / "broken.png").write_bytes(made.wanted[:200])
    curate_small(made.config)
    return made


def names(chosen: tuple[Chosen, ...]) -> list[str]:
    return sorted(each.sample_id for each in chosen)


def test_a_sample_that_a_filter_dropped_brings_its_near_duplicates_too(pool: SmallPool) -> None:
    choice = choose(pool.store, ids(pool.wanted))
    assert names(choice.chosen) == ids(pool.wanted, pool.near)
    near = next(each for each in choice.chosen if each.similarity is not None)
    assert (near.sample_id, near.because_of) == (*ids(pool.near), *ids(pool.wanted))
    assert near.similarity is not None
    assert 0.95 <= near.similarity < 1
    assert choice.thresholds == {"small": 0.95}


def test_near_duplicates_stay_when_they_are_to(pool: SmallPool) -> None:
    choice = choose(pool.store, ids(pool.wanted), near_duplicates=False)
    assert names(choice.chosen) == ids(pool.wanted)


def test_a_source_stands_for_all_that_was_seen_in_it(pool: SmallPool) -> None:
    tar = pool.config.sources[1]
    in_tar = ids(pool.wanted, *pool.others[1::2])
    for target in (tar, f"source:{tar}"):
        assert names(choose(pool.store, [target], near_duplicates=False).chosen) == in_tar
    assert names(choose(pool.store, [tar]).chosen) == sorted([*in_tar, *ids(pool.near)])


def test_a_file_of_ids_and_an_unreadable_sample_are_known(pool: SmallPool, tmp_path: Path) -> None:
    wanted = [*ids(pool.others[3]), *ids(pool.wanted[:200])]
    listed = tmp_path / "ids.txt"
    listed.write_text("\n".join([*wanted, "", f"  {wanted[0]}"]))
    assert names(choose(pool.store, [f"@{listed}"]).chosen) == sorted(wanted)
    listed.write_text(f"{wanted[0]}\nJane Doe\n")
    with pytest.raises(ValueError, match=r"ids\.txt, line 2: wants a sample_id of 32 hex digits, got 'Jane Doe'"):
        choose(pool.store, [f"@{listed}"])


def test_what_the_store_does_not_know_is_an_error_that_says_what_it_knows(pool: SmallPool) -> None:
    with pytest.raises(ValueError, match=r"does not know 1 of 2 samples: 0{32}$"):
        choose(pool.store, ["0" * 32, *ids(pool.wanted)])
    with pytest.raises(ValueError, match=r"'elsewhere' is no sample_id .* it has read .*loose, .*some\.tar"):
        choose(pool.store, ["elsewhere"])


def test_what_was_forgotten_before_is_not_chosen_again(pool: SmallPool, tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(pool.store, store)
    forget(store, [vars(each) for each in choose(store, ids(pool.wanted)).chosen], None)
    choice = choose(store, ids(pool.wanted, pool.others[0]))
    assert (names(choice.chosen), list(choice.already)) == (ids(pool.others[0]), ids(pool.wanted))
