"""The file in which people answer what only they can say of a set, for its cards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from windrow.tasks.config_errors import error_lines
from windrow.tasks.config_yaml import ConfigError, Yaml, parse_yaml
from windrow.tasks.storage.published.card_answers import CardAnswers, questions

_HEAD = """\
# What only people can say of the set {name}. Write each answer in the place of its TODO, as text or Markdown, two
# spaces in. The next `windrow run` takes them into the cards of a new version, whose pictures are the same;
# `windrow card --check` says which are missing.
"""


class AnswersYaml(Yaml):
    """YAML in which every value is text: 'no' and 2026 are answers."""


def _only_text(kind: Any) -> None:
    kind.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in known if tag == "tag:yaml.org,2002:null"]
        for first, known in kind.yaml_implicit_resolvers.items()
    }


_only_text(AnswersYaml)


def read_answers(path: str | Path | None) -> CardAnswers:
    """Read a file of answers; without one there are none.

    Raises ConfigError naming the file and each name in it that is no question, and each value that is no text.
    """
    if path is None:
        return CardAnswers()
    try:
        values = parse_yaml(Path(path).read_bytes(), str(path), AnswersYaml)
    except FileNotFoundError:
        raise ConfigError(f"export.card: there is no file {path}; `windrow card` writes one") from None
    except OSError as error:
        raise ConfigError(f"export.card: {path}: {error.strerror}") from None
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: wants answers such as `purpose:`, got {type(values).__name__}")
    try:
        return TypeAdapter(CardAnswers).validate_python(values)
    except ValidationError as error:
        raise ConfigError("\n".join(f"{path}: {line}" for line in error_lines(error, CardAnswers, values))) from None


def write_questions(path: Path, name: str) -> None:
    """Write a new file with the questions about a set."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(_question_text(name))


def _question_text(name: str) -> str:
    asked = (f"\n# {question}\n{field}: |\n  TODO\n" for field, question in questions().items())
    return _HEAD.format(name=name) + "".join(asked)
