"""When a pseudo-label is sure enough: one file a policy, whose class is its settings, its needs and its decision.

A new policy is a class as `Policy` describes it (`policy.py`), in a file of its own, and a line here: its name is then
a value of `labels.policy.policy`, and its settings are fields of `labels.policy`. A setting that two policies have
means the same in both.
"""

from windrow.tasks.algorithms.labels.deciding.accept_or_defer import AcceptOrDefer
from windrow.tasks.algorithms.labels.deciding.agreed import Agreed
from windrow.tasks.algorithms.labels.deciding.budget import Budget
from windrow.tasks.algorithms.labels.deciding.class_wise import ClassWise
from windrow.tasks.algorithms.labels.deciding.everything import Everything
from windrow.tasks.algorithms.labels.deciding.exclude import Exclude
from windrow.tasks.algorithms.labels.deciding.fixed import Fixed
from windrow.tasks.algorithms.labels.deciding.policy import Policy
from windrow.tasks.algorithms.labels.deciding.reliable import Reliable
from windrow.tasks.algorithms.labels.deciding.self_adaptive import SelfAdaptive
from windrow.tasks.algorithms.labels.deciding.soft import Soft

POLICIES: dict[str, type[Policy]] = {
    "none": Everything,
    "fixed": Fixed,
    "class-wise": ClassWise,
    "self-adaptive": SelfAdaptive,
    "soft": Soft,
    "reliable": Reliable,
    "accept-or-defer": AcceptOrDefer,
    "exclude": Exclude,
    "agreed": Agreed,
    "budget": Budget,
}
