"""Which policy decides when a pseudo-label is sure enough, and its settings."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, make_dataclass
from inspect import getdoc
from typing import TYPE_CHECKING, Any, Literal, get_type_hints

from windrow.schemas.settings import Settings
from windrow.tasks.algorithms.labels.deciding import POLICIES
from windrow.tasks.algorithms.labels.deciding.policy import Policy

if TYPE_CHECKING:
    PolicyName = str
else:
    PolicyName = Literal[tuple(POLICIES)]


@dataclass(frozen=True)
class ChosenPolicy(Settings):
    """When a pseudo-label is sure enough.

    `policy`: its name. The other fields are the policies' settings; a policy heeds its own.
    """

    policy: PolicyName = "fixed"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.chosen()

    def chosen(self) -> Policy:
        """Return the policy, with its settings."""
        kind = POLICIES[self.policy]
        return kind(**{each.name: getattr(self, each.name) for each in fields(kind)})


def _own_fields() -> list[Any]:
    """The settings of all policies, each name once."""
    found: dict[str, Any] = {}
    for kind in POLICIES.values():
        hints = get_type_hints(kind, include_extras=True)
        for each in fields(kind):
            found.setdefault(each.name, (each.name, hints[each.name], field(default=each.default)))
    return list(found.values())


if TYPE_CHECKING:
    LabelPolicyConfig = ChosenPolicy
else:
    _DOC = [getdoc(ChosenPolicy), *(f"{name}: {getdoc(kind)}" for name, kind in POLICIES.items())]
    LabelPolicyConfig = make_dataclass(
        "LabelPolicyConfig",
        _own_fields(),
        bases=(ChosenPolicy,),
        namespace={"__module__": __name__, "__doc__": "\n\n".join(_DOC)},
        frozen=True,
    )
