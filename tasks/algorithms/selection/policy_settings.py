"""The settings of every selection policy that has any, by its name with underscores: a field for each."""

from __future__ import annotations

from dataclasses import field, fields, make_dataclass
from typing import TYPE_CHECKING, Any

from windrow.schemas.settings import Settings
from windrow.tasks.algorithms.selection.policies import POLICIES

if TYPE_CHECKING:

    class PolicySettings(Settings):
        """The settings of each selection policy that has any, by its name with underscores."""

        def __init__(self, **policies: Any) -> None: ...

else:
    PolicySettings = make_dataclass(
        "PolicySettings",
        [
            (name.replace("-", "_"), policy, field(default_factory=policy))
            for name, policy in POLICIES.items()
            if fields(policy)
        ],
        bases=(Settings,),
        frozen=True,
        namespace={
            "__module__": __name__,
            "__doc__": "The settings of each selection policy that has any, by its name with underscores.",
        },
    )
