"""`windrow card`: the file of what only people can say of a set, and what is missing in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from windrow.tasks.config import CurationConfig, load_config
from windrow.tasks.export.answers_file import read_answers, write_questions
from windrow.tasks.storage.published.card_answers import questions, unanswered
from windrow.tasks.storage.published.versions import latest_version, read_manifest

FILE = "card.yaml"


def ask_people(out: Console, path: Path) -> list[str]:
    """Write the file of questions unless it is there, say where it is and what is missing; return that."""
    config = load_config(path)
    file = Path(config.export.card) if config.export.card else path.parent / FILE
    if not file.exists():
        write_questions(file, config.name)
        _say(out, f"wrote {file}: answer the questions in it")
    if config.export.card is None:
        _say(out, f"{path} does not name it yet: add `export: {{card: {FILE}}}`")
    return _tell(out, str(file), asdict(read_answers(file)))


def missing_answers(out: Console, path: Path) -> list[str]:
    """Say which questions about a config's set, or of a version, have no answer; return their names."""
    if path.is_dir():
        return _tell(out, str(path), read_manifest(path)["config"]["card"])
    config = load_config(path)
    file = config.export.card
    if file is None:
        _say(out, f"{path}: export.card names no file of answers; `windrow card {path}` writes one")
    missing = _tell(out, str(file or path), asdict(read_answers(file)))
    _tell_of_version(out, config)
    return missing


def _tell(out: Console, place: str, answers: Mapping[str, str | None]) -> list[str]:
    missing = unanswered(answers)
    for name in missing:
        _say(out, f"{place}: {name} is empty: {questions()[name]}")
    n = len(questions())
    _say(out, f"{place}: {n - len(missing)} of {n} are answered")
    return missing


def _tell_of_version(out: Console, config: CurationConfig) -> None:
    """Say so where the last version was published with other answers."""
    version = latest_version(Path(config.store), config.name)
    if version and read_manifest(version.path)["config"]["card"] != asdict(read_answers(config.export.card)):
        _say(out, f"{version.name} {version.version} has other answers: the next `windrow run` publishes these")


def _say(out: Console, text: str) -> None:
    out.print(text, markup=False, highlight=False, soft_wrap=True)
