"""All label makers by their names, and their settings: a field for each."""

from __future__ import annotations

from dataclasses import field, make_dataclass
from typing import TYPE_CHECKING, Any

from windrow.schemas.settings import Settings
from windrow.tasks.algorithms.labels.iterative_labels import IterativeLabels
from windrow.tasks.algorithms.labels.maker import Maker
from windrow.tasks.algorithms.labels.makers import ONE_PASS

MAKERS: dict[str, type[Maker]] = {**ONE_PASS, "iterative": IterativeLabels}

if TYPE_CHECKING:

    class MakerSettings(Settings):
        """The settings of each maker, by its name."""

        def __init__(self, **makers: Maker) -> None: ...
        def __getattr__(self, name: str) -> Any: ...

else:
    MakerSettings = make_dataclass(
        "MakerSettings",
        [(name, maker, field(default_factory=maker)) for name, maker in MAKERS.items()],
        bases=(Settings,),
        frozen=True,
        namespace={"__module__": __name__, "__doc__": "The settings of each maker, by its name."},
    )
