"""What the command line prints about a store: a sample's story, the difference of two versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from windrow.flows.commands.query_answer import shown
from windrow.tasks.corrections.correction_list import read_standing
from windrow.tasks.report.drawn import PAGE
from windrow.tasks.selection.selection_config import BY_HAND
from windrow.tasks.storage.catalog.views import connect_run
from windrow.tasks.storage.published.versions import (
    Version,
    VersionChange,
    class_changes,
    diff_versions,
    list_versions,
)
from windrow.tasks.storage.published.withdrawal import is_withdrawn, withdrawal_text
from windrow.tasks.storage.store.refused_samples import read_forgotten
from windrow.tasks.storage.store.run_records import latest_run
from windrow.tasks.storage.store.run_rest import last_to_ask, whole_run
from windrow.tasks.texts.terminal import escape


def print_forgotten(console: Console, store: Path, wanted: str) -> bool:
    """Tell when and why a sample was forgotten; False when no such sample was, by its id or the first digits of it."""
    rows = [row for row in read_forgotten(store).to_pylist() if len(wanted) > 5 and row["sample_id"].startswith(wanted)]
    if not rows:
        return False
    from windrow.tasks.takedown.removal import manifest_path

    for row in rows:
        console.print(f"[bold]sample {row['sample_id']}[/]")
        because = "asked for" if row["similarity"] is None else f"near-duplicate of {row['because_of']}"
        console.print(f"[cyan]forgotten[/] on {row['requested_at']:%Y-%m-%d}: {because}", soft_wrap=True)
        console.print(f"reason: {escape(row['reason'] or 'none given')}", soft_wrap=True)
        console.print(f"take-down: {escape(str(manifest_path(store, row['takedown'])))}", soft_wrap=True)
    return True


def print_story(console: Console, connection: Any, wanted: str) -> None:
    """Tell what is known of a sample. Raises ValueError when nothing, or more than one sample, fits `wanted`."""
    sample_id, occurrences = _find(connection, wanted)
    console.print(f"[bold]sample {escape(sample_id or 'without an id')}[/]")
    console.print(f"seen {len(occurrences)} time{'s' if len(occurrences) > 1 else ''}:")
    for source, shard, key, outcome, reason, duplicate_of in occurrences:
        story = (
            outcome.replace("_", " ")
            + (f" of {duplicate_of}" if duplicate_of else "")
            + (f": {reason}" if reason else "")
        )
        place = "  ".join(escape(part) for part in (source, shard, key) if part is not None)
        console.print(f"  {place}  [cyan]{escape(story)}[/]", soft_wrap=True)
    row = connection.sql("SELECT * FROM pool WHERE sample_id = ?", params=[sample_id])
    for values in row.fetchall() if sample_id else []:
        _print_facts(console, dict(zip(row.columns, values, strict=True)))
        _print_leak(console, connection, sample_id or "")
        _print_corrections(console, connection, sample_id or "")
        _print_labels(console, connection, sample_id or "")
        _print_states(console, connection, sample_id or "")
        _print_belonging(console, connection, sample_id or "")
        _print_quality(console, connection, sample_id or "")


WORDS = ("added", "removed", "relabelled")
OCCURRENCES_SQL = """
SELECT o.source_uri, CASE WHEN o.kind <> 'file' THEN o.shard END, o.key, u.outcome, u.reason, u.duplicate_of
FROM occurrences o JOIN outcomes u USING (occurrence_id) WHERE {where} ORDER BY 1, 2, o.position
"""


def _find(connection: Any, wanted: str) -> tuple[str | None, list[tuple[Any, ...]]]:
    find = "SELECT DISTINCT o.sample_id, o.occurrence_id FROM occurrences o WHERE "
    for where in ("o.sample_id = $1", "o.occurrence_id = $1", "o.key = $1", "starts_with(o.sample_id, $1)"):
        found = connection.sql(find + where, params=[wanted]).fetchall()
        ids = sorted({row[0] for row in found}, key=str)
        if len(ids) > 1:
            raise ValueError(_candidates(connection, wanted, [each for each in ids if each is not None]))
        if found and ids[0] is not None:
            return ids[0], connection.sql(OCCURRENCES_SQL.format(where="o.sample_id = $1"), params=[ids[0]]).fetchall()
        if found:
            unread = OCCURRENCES_SQL.format(where="o.occurrence_id = $1")
            return None, connection.sql(unread, params=[found[0][1]]).fetchall()
    raise ValueError(f"no sample of this run has the id or key {wanted!r}")


CANDIDATES_SQL = """
SELECT sample_id, source_uri, shard, key FROM occurrences
WHERE list_contains($1::VARCHAR[], sample_id) OR ($1 = [] AND key = $2)
QUALIFY row_number() OVER (PARTITION BY sample_id ORDER BY source_uri, shard, position) = 1
ORDER BY sample_id LIMIT 20
"""


def _candidates(connection: Any, wanted: str, ids: list[str]) -> str:
    """Every sample that fits, with the place where it was first seen; 20 at most."""
    places = connection.execute(CANDIDATES_SQL, [ids, wanted]).fetchall()
    lines = [f"  {sample_id}  {source}  {shard}  {key}" for sample_id, source, shard, key in places]
    more = [f"  and {len(ids) - len(lines):,} more"] if len(ids) > len(lines) else []
    return "\n".join([f"{len(ids):,} samples fit {wanted!r}; which one?", *lines, *more])


def _print_facts(console: Console, facts: dict[str, Any]) -> None:
    console.print(
        f"{facts['format']}, {facts['width']} x {facts['height']} pixels, {facts['mode']}, {facts['n_bytes']:,} bytes"
    )
    if facts["cluster_path"]:
        path = " < ".join(f"level {level}: {cluster}" for level, cluster in enumerate(facts["cluster_path"], start=1))
        console.print(f"clusters: {path}; {shown(facts['distance'])} from the finest centroid")
        console.print(
            f"nearest other sample: cosine similarity {shown(facts['nearest_similarity'])}; "
            f"outlier score {shown(facts['outlier_score'])}"
        )
    if facts["rank"]:
        chosen = (
            f"selected for split {facts['split']}, sample weight {shown(facts['sample_weight'])}"
            if facts["selected"]
            else "not selected"
        )
        console.print(f"rank {facts['rank']:,}: {escape(chosen)}")
    elif facts["dropped_by"]:
        twin = (
            f" of {facts['duplicate_of']} (cosine similarity {shown(facts['similarity'])})"
            if facts["duplicate_of"]
            else ""
        )
        why = "dropped by hand" if facts["dropped_by"] == BY_HAND else facts["dropped_by"].replace("_", " ")
        console.print(f"not ranked: {escape(why + twin)}")


def _print_leak(console: Console, connection: Any, sample_id: str) -> None:
    sql = "SELECT leak_of, evidence, similarity, distance, source_uri, shard, key FROM leaks WHERE sample_id = ?"
    for leak_of, how, similarity, distance, *place in connection.execute(sql, [sample_id]).fetchall():
        told = [f"cosine similarity {shown(similarity)}"] if similarity is not None else []
        told += [f"hashes differ in {distance} of 64 bits"] if distance is not None else []
        same = "has the same bytes as" if how == "bytes" else f"is a near-duplicate, by its {how}, of"
        where = "  ".join(place)
        text = f"kept away: it {same} {leak_of} ({', '.join(told) or 'nothing else compared'}), seen in {where}"
        console.print(escape(text), soft_wrap=True)


CORRECTIONS_SQL = """
SELECT kind, value, other_sample_id, who, why, added_at, number IN (SELECT number FROM taken_corrections)
FROM corrections
WHERE sample_id = $1 OR other_sample_id = $1 ORDER BY number
"""


def _print_corrections(console: Console, connection: Any, sample_id: str) -> None:
    for kind, value, other, who, why, at, taken in connection.execute(CORRECTIONS_SQL, [sample_id]).fetchall():
        of = f" {value or other}" if value or other else ""
        because = f": {why}" if why else ""
        when = "" if taken else "; this run did not take it"
        said = f"{who} said on {at:%Y-%m-%d}: {kind.replace('_', ' ')}{of}{because}{when}"
        console.print(f"[cyan]{escape(said)}[/]", soft_wrap=True)


def _print_labels(console: Console, connection: Any, sample_id: str) -> None:
    relation = connection.sql(
        "SELECT label_set, label, confidence, classes, probabilities, method FROM labels WHERE sample_id = ? "
        "ORDER BY label_set <> 'pseudo', label_set <> 'given', label_set LIKE 'cluster%', label_set",
        params=[sample_id],
    )
    table = Table("label set", "label", "confidence", "most probable", "method", title="labels", title_justify="left")
    for label_set, label, confidence, classes, probabilities, method in relation.fetchall():
        top = ", ".join(f"{name} {p:.2f}" for name, p in list(zip(classes, probabilities, strict=True))[:3])
        table.add_row(*map(escape, (label_set, label or "abstained", f"{confidence:.3f}", top, method)))
    console.print(table)


def _print_states(console: Console, connection: Any, sample_id: str) -> None:
    """Say of which classes a sample is and is not, where it may be of several."""
    of_sample = "FROM states WHERE sample_id = ? ORDER BY label_set <> 'pseudo'"
    rows = connection.execute(f"SELECT * EXCLUDE (sample_id) {of_sample}", [sample_id]).fetchall()
    listed = connection.execute(
        "SELECT label_set, label, probability FROM label_states WHERE sample_id = ? AND state = 'unknown' ORDER BY 2",
        [sample_id],
    ).fetchall()
    for label_set, present, absent, *shares in rows:
        unknown = [(name, share) for named, name, share in listed if named == label_set]
        found = {"present": zip(present, shares[0], strict=True), "absent": zip(absent, shares[1], strict=True)}
        for state, classes in {**found, "unknown": unknown}.items():
            told = ", ".join(name + ("" if share is None else f" {share:.2f}") for name, share in classes)
            if told:
                console.print(escape(f"{label_set}, {state}: {told}"), soft_wrap=True)
        console.print(escape(f"{label_set}: all other classes are unknown"), soft_wrap=True)


def _print_quality(console: Console, connection: Any, sample_id: str) -> None:
    sql = "SELECT is_doubtful, suggested_label, suggested_probability FROM label_quality WHERE sample_id = ?"
    for is_doubtful, suggested, probability in connection.execute(sql, [sample_id]).fetchall():
        verdict = "is doubtful" if is_doubtful else "is not doubted"
        console.print(f"the given label {verdict}; without it, a model would say {escape(suggested)} {probability:.2f}")


def _print_belonging(console: Console, connection: Any, sample_id: str) -> None:
    for (share,) in connection.execute("SELECT belonging FROM belonging WHERE sample_id = ?", [sample_id]).fetchall():
        console.print(
            f"belonging {share:.3f}: that share of samples like the labelled ones is as far from the labels; what has"
            " `labels.least_belonging` or less abstains"
        )


def print_diff(
    console: Console, store: Path, name: str | None, old: str | None, new: str | None, page: Path | None = None
) -> None:
    """Print what changed between two versions of a curated set, and write it with pictures to `page`, if given.

    `name`: of the set, None for that of the last run. Raises ValueError where there are no two versions of it.
    """
    if name is None:
        name = (last_to_ask(store) or whole_run(store)).name
    first, second = _two_versions(store, name, old, new)
    change = diff_versions(first.path, second.path)
    then, now = f"{first.version} ({first.n_samples:,} samples)", f"{second.version} ({second.n_samples:,})"
    console.print(f"{escape(name)}: {then} to {now}")
    table = Table("", "samples", "for example")
    for word in WORDS:
        rows = getattr(change, word)
        table.add_row(word, f"{rows.num_rows:,}", ", ".join(rows["sample_id"][:3].to_pylist()))
    console.print(table)
    _print_classes(console, first, second)
    _print_by_hand(console, store, change)
    if page is not None:
        _draw_diff(store, first, second, page)
        console.print(escape(f"with pictures: {page}"), soft_wrap=True)


OF_A_CLASS = ("before", "came", "went", "relabelled_to", "relabelled_from", "now")


def _print_classes(console: Console, old: Version, new: Version) -> None:
    """Print the classes that changed, the most changed first."""
    rows = [row for row in class_changes(old.path, new.path) if any(row[name] for name in OF_A_CLASS[1:5])]
    table = Table("class", *(name.replace("_", " ") for name in OF_A_CLASS))
    for row in rows:
        label = "no label" if row["class"] is None else row["class"]
        table.add_row(escape(label), *(f"{row[name]:,}" for name in OF_A_CLASS))
    if rows:
        console.print(table)


def _draw_diff(store: Path, old: Version, new: Version, page: Path) -> None:
    run = latest_run(store, new.name)
    if run is None:
        raise ValueError(f"--html: store {store} has no finished run of {new.name!r}, which knows where pictures are")
    from windrow.tasks.report.page import write_diff  # its drawing takes what no other answer needs

    write_diff(page, run, old, new)


def _print_by_hand(console: Console, store: Path, change: VersionChange) -> None:
    """Say how much of a change is of samples that people have corrected."""
    said = set(read_standing(store)["sample_id"].to_pylist())
    of = {word: len(said.intersection(getattr(change, word)["sample_id"].to_pylist())) for word in WORDS}
    if any(of.values()):
        told = ", ".join(f"{n:,} {word}" for word, n in of.items() if n)
        console.print(f"of these, people have corrected: {told} (windrow corrections list)")


def _two_versions(store: Path, name: str, old: str | None, new: str | None) -> tuple[Version, Version]:
    versions = {version.version: version for version in list_versions(store, name)}
    if not versions:
        withdrawn = sorted(path for path in (store / "curated" / name).glob("v*") if is_withdrawn(path))
        raise ValueError(withdrawal_text(withdrawn[-1]) if withdrawn else f"store {store} has no version of {name!r}")
    last = list(versions)[-2:]
    if old is None and len(last) < 2:
        raise ValueError(f"{name!r} has one version only, {last[0]}: there is nothing to compare it with")
    chosen = (old or last[0], new or last[-1])
    for version in chosen:
        if is_withdrawn(store / "curated" / name / version):
            raise ValueError(withdrawal_text(store / "curated" / name / version))
        if version not in versions:
            raise ValueError(f"{name!r} has no version {version!r}; it has {', '.join(versions)}")
    return versions[chosen[0]], versions[chosen[1]]


def draw_report(store: Path, run_id: str | None, to: Path | None) -> Path:
    """Write the report of a run and return its path."""
    run = whole_run(store, run_id)
    from windrow.tasks.report.page import write_report  # its drawing takes what no other answer needs

    path = to or run.path / PAGE
    write_report(connect_run(store, run.run_id), path, run)
    return path
