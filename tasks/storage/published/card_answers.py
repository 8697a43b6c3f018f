"""What only people can say of a set of pictures: ten questions, and which of them have an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from windrow.schemas.settings import Settings
from windrow.schemas.texts.setting_words import meanings

NO_ANSWER = re.compile(
    r"[\W_]*(?:to ?do|tbd|tba|tbc|fixme|xxx+|fill (?:me )?in|to be (?:done|defined|determined))?[\W_]*"
)
"""What stands where an answer is to come, in lower case."""


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
    `maintenance`: Who keeps it, and how long? Where are mistakes reported, and how is a picture's removal asked for?
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


def questions() -> dict[str, str]:
    """Return each question by its name, in order."""
    return meanings(CardAnswers)


def unanswered(answers: Mapping[str, str | None]) -> list[str]:
    """Return the names of the questions without an answer; 'TODO', '-' and the like are none."""
    return [name for name in questions() if not is_answer(answers.get(name))]


def is_answer(text: str | None) -> bool:
    """Say whether a text answers anything."""
    return text is not None and NO_ANSWER.fullmatch(text.strip().lower()) is None
