"""No pool is put together by what holds 2 GiB of text at most, and the places that make objects of rows are known."""

import ast
import re
from collections.abc import Iterator

from code_graph import modules, tree

JOINED_BY = {
    "tasks.storage.files.whole_columns": "the one place that does it, with ends of 64 bits",
    "tasks.storage.user_files.user_file": "a file of the user's, whose rows are objects before",
}
"""Modules that make one array of several."""

OBJECTS = {
    "the rows of one shard, one batch or one file at a time": """
        tasks.conversion.converted_version tasks.export.shard_writing tasks.features.extraction tasks.ingest.ingestion
        tasks.ingest.kept_copies tasks.ingest.stale_shards tasks.ingest.tar_folders tasks.ingest.usable_pool
        tasks.loading.image_dataset tasks.storage.sources.columns.parquet_pages tasks.storage.sources.parquet_source
        tasks.storage.sources.sample_bytes tasks.storage.store.pool_file tasks.storage.verify.registry_inspection
        tasks.storage.verify.version_inspection tasks.takedown.shard_without tasks.conversion.coco
        tasks.conversion.huggingface_folder tasks.export.version_counts tasks.storage.published.attribution_file""",
    "a table of few rows: classes, counts, versions, drift, worth, what was forgotten": """
        flows.commands.answers flows.commands.stores.runs_table tasks.clusters.incremental tasks.export.outcomes
        tasks.explore.columns tasks.export.soft_arrays tasks.storage.store.garbage tasks.worth.gates
        tasks.export.selected_rows tasks.features.backbone_choice
        tasks.export.exported_states tasks.labels.states.state_labeling
        tasks.loading.version_samples tasks.steps.publishing_steps tasks.storage.store.refused_samples
        tasks.storage.verify.absences
        tasks.takedown.removal tasks.worth.guard tasks.worth.kept_judgement""",
    "samples that were drawn, asked for or found wrong": """
        flows.commands.correction_answers flows.commands.training_step tasks.corrections.correction_list
        tasks.corrections.taken tasks.explore.sample_facts tasks.labels.annotation_file tasks.report.map_sample
        tasks.storage.store.holders
        tasks.storage.store.registry tasks.takedown.forget_targets""",
    "a file of the user's, or what a training job wrote": """
        tasks.corrections.correction_files
        tasks.labels.checked_files tasks.labels.checks.dynamics_file tasks.labels.checks.imported_dynamics
        tasks.labels.annotators tasks.labels.given_labels tasks.labels.label_file tasks.loading.batch_plan
        tasks.selection.compared_sets
        tasks.storage.user_files.user_file""",
    "the demo's pool": "flows.demo.demo_scores flows.demo.judged_pool flows.demo.train_classifier",
    "a whole pool or curated set, until the stage is done in cells": """
        tasks.export.export_plan tasks.export.publication tasks.labels.labeling tasks.selection.frozen_splits
        tasks.selection.kept_away tasks.selection.pool_ranking tasks.selection.set_of_size tasks.selection.splits
        tasks.worth.command_probe tasks.worth.held_out tasks.worth.judged_selection
        tasks.worth.tuning tasks.worth.version_before""",
}
"""Modules that make Python objects of a table's rows, at a hundred bytes a text, by how many they are."""


def calls(*names: str) -> set[str]:
    """The modules in which methods or functions of these names are called."""
    return {module.removeprefix("windrow.") for module in modules() if set(_called(module)) & set(names)}


def _called(module: str) -> Iterator[str]:
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.attr


def test_columns_become_one_array_only_where_their_texts_end_in_64_bits() -> None:
    assert calls("combine_chunks", "concat_arrays") == set(JOINED_BY)


def test_every_place_that_makes_objects_of_rows_says_how_many_they_are() -> None:
    told = [name for names in OBJECTS.values() for name in names.split()]
    assert len(told) == len(set(told))
    assert calls("to_pylist", "to_pydict", "to_pandas") == set(told)


def test_no_text_of_a_whole_column_is_cast_to_ends_of_32_bits() -> None:
    """`whole` and `wide` give what a cast to pa.string() would break at 67 million ids."""
    narrowed = re.compile(r"(?:whole|wide)\([^\n]*\)\.cast\(pa\.(?:string|list_\(pa\.string)")
    assert {name for name, file in modules().items() if narrowed.search(file.read_text())} == set()
