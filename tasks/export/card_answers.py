"""What only people can say of a set of pictures: ten questions, and the file in which they are answered."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from windrow.schemas.setting_words import meanings
from windrow.schemas.settings import Settings
from windrow.tasks.config_errors import error_lines
from windrow.tasks.config_file import ConfigError, parse_yaml

NO_ANSWER = re.compile(r"[\W_]*(?:to ?do|tbd|tba|tbc|fixme|xxx+|fill (?:me )?in|to be (?:done|defined|determined))?[\W_]*")
"""What stands where an answer is to come, in lower case."""

_HEAD = """\
# What only people can say of the set {name}. Write each answer behind its name, as text or Markdown; several lines go
# below a `|`, each with two spaces before it:
#
#   purpose: |
#     To tell barley from rye in photographs of fields.
#
# {named}
# The next `windrow run` takes the answers into the cards of a new version, whose pictures are the same.
# `windrow card --check` says which answers are missing.
"""


@dataclass(frozen=True)
class CardAnswers(Settings):
    """The answers, in Markdown, in the order of Datasheets for Datasets; null is none.

    `purpose`: What was the set made for, and by which need? Which uses are meant?
    `out_of_scope`: For what must it not be used, and why?
    `creators`: Who made it, on whose behalf, and who paid for it?
    `collection`: How, where, when and by whom were the pictures taken or gathered? What was left out?
    `people_depicted`: Are people in the pictures? Who, can they be recognised, and may the set be unfair to some?
    `consent`: Did those depicted, and those who made the pictures, agree to this use? How can they withdraw?
    `sensitive_content`: Is anything in it private, offensive or dangerous: faces, plates, documents, health, violence?
    `annotation`: Who gave the labels that people gave, by what instructions, for what pay, and how were they checked?
    `biases`: What is over-represented, missing or known to be wrong? What should nobody conclude from it?
    `maintenance`: Who keeps it, for how long, where are mistakes reported, and how does one ask for a picture's removal?
    """

    purpose: str | None = None
    out_of_scope: str | None = None
    creators: str | None = None
    collection: str | None = None
    people_depicted: str | None = None
    consent: str | None = None
    sensitive_content: str | None = None
    annotation: str | None = None
    biases: str | None = None
    maintenance: str | None = None


def unanswered(answers: CardAnswers) -> list[str]:
    """Return the names of the questions without an answer; 'TODO', '-' and the like are none."""
    return [name for name, text in asdict(answers).items() if not is_answer(text)]


def is_answer(text: str | None) -> bool:
    """Say whether a text answers anything."""
    return text is not None and NO_ANSWER.fullmatch(text.strip().lower()) is None


def read_answers(path: str | Path | None) -> CardAnswers:
    """Read a file of answers; without one there are none.

    Raises ConfigError naming the file and each name in it that is no question, and each value that is no text.
    """
    if path is None:
        return CardAnswers()
    try:
        values = parse_yaml(Path(path).read_bytes(), str(path))
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


def question_text(name: str, named: str) -> str:
    """Return a new file of questions; `named` says how the config of the set comes to know of it."""
    asked = (f"\n# {question}\n{field}:\n" for field, question in meanings(CardAnswers).items())
    return _HEAD.format(name=name, named=named) + "".join(asked)
