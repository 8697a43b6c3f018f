"""The selection policies: a file each, and a line in `POLICIES`. `selection.policy` names one."""

from __future__ import annotations

from windrow.tasks.algorithms.selection.policies.balanced import Balanced
from windrow.tasks.algorithms.selection.policies.class_balanced import ClassBalanced
from windrow.tasks.algorithms.selection.policies.complexity import Complexity
from windrow.tasks.algorithms.selection.policies.diverse import Diverse
from windrow.tasks.algorithms.selection.policies.dos import Dos
from windrow.tasks.algorithms.selection.policies.hard import Hard
from windrow.tasks.algorithms.selection.policies.inverse_density import InverseDensity
from windrow.tasks.algorithms.selection.policies.sas import Sas
from windrow.tasks.algorithms.selection.policies.target import Target
from windrow.tasks.algorithms.selection.policies.target_fid import TargetFid
from windrow.tasks.algorithms.selection.policies.typical import Typical
from windrow.tasks.algorithms.selection.policies.uniform import Uniform
from windrow.tasks.algorithms.selection.selection_policy import SelectionPolicy

POLICIES: dict[str, type[SelectionPolicy]] = {
    "balanced": Balanced,
    "class-balanced": ClassBalanced,
    "random": Uniform,
    "typical": Typical,
    "inverse-density": InverseDensity,
    "diverse": Diverse,
    "complexity": Complexity,
    "sas": Sas,
    "hard": Hard,
    "target": Target,
    "target-fid": TargetFid,
    "dos": Dos,
}
