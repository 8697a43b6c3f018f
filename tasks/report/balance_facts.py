"""How even the classes are before and after: as estimated from given labels, or the coarsest clusters counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

SHARES_SHOWN = 30
MORE, LESS, NO_TELLING = "more even", "less even", "no difference can be told"

BALANCE_SQL = "SELECT sample_set, n_samples, n_no_class, balance, low, high, unknown FROM class_balance"
SHARES_SQL = """
SELECT class, p.share, p.low, p.high,
    c.share AS curated_share, c.low AS curated_low, c.high AS curated_high
FROM class_shares p LEFT JOIN (FROM class_shares WHERE sample_set = 'curated') c USING (class)
WHERE p.sample_set = 'pool' ORDER BY p.share DESC, class
"""
COARSEST_SQL = """
SELECT 'cluster ' || cluster_path[-1] AS name, count(*) / sum(count(*)) OVER () AS share,
    count(*) FILTER (selected) / nullif(sum(count(*) FILTER (selected)) OVER (), 0) AS curated_share
FROM pool WHERE cluster_path IS NOT NULL AND dropped_by IS NULL GROUP BY 1 ORDER BY share DESC, name
"""
# The normalised entropy of both; of a single cluster it is 1.
EVENNESS_SQL = f"""
SELECT CASE count(*) WHEN 1 THEN 1.0 ELSE 0 - sum(share * ln(share)) / ln(count(*)) END AS balance,
    CASE WHEN count(curated_share) = 0 THEN NULL WHEN count(*) = 1 THEN 1.0
        ELSE 0 - coalesce(sum(curated_share * ln(curated_share)) FILTER (curated_share > 0), 0) / ln(count(*))
    END AS curated_balance
FROM ({COARSEST_SQL})
"""


@dataclass(frozen=True)
class Measured:
    """A number and its 95 % interval; what was counted is its own."""

    value: float
    low: float
    high: float

    @classmethod
    def counted(cls, value: float) -> Measured:
        """A number without an error."""
        return cls(value, value, value)

    def told(self, digits: int = 2) -> str:
        """The number, and its interval where there is one: '0.71 (0.66 to 0.75)'."""
        interval = "" if self.low == self.high else f" ({self.low:.{digits}f} to {self.high:.{digits}f})"
        return f"{self.value:.{digits}f}{interval}"


@dataclass(frozen=True)
class Share:
    """The share of a class or cluster in the pool and in the curated set (None: nothing is selected)."""

    name: str
    pool: Measured
    curated: Measured | None


@dataclass(frozen=True)
class Balance:
    """The classes or clusters, largest of the pool first, and how even they are (normalised entropy, 1 is even).

    kind: 'class' are estimates, 'cluster' counts. unknown: why the classes cannot be told, and clusters stand for them.
    n_no_class: samples of pool and curated set that seem to be of no class, and are left out.
    """

    kind: Literal["class", "cluster"]
    shares: tuple[Share, ...]
    pool: Measured
    curated: Measured | None
    unknown: str | None = None
    n_no_class: tuple[int, int] = (0, 0)

    @property
    def things(self) -> str:
        """What is balanced, in words."""
        return "classes" if self.kind == "class" else "coarsest clusters"

    @property
    def verdict(self) -> str:
        """Whether the curated set is more even than the pool: only where the intervals do not meet."""
        if self.curated is None:
            return "nothing is selected"
        if self.curated.low > self.pool.high + 5e-4:
            return MORE
        return LESS if self.curated.high < self.pool.low - 5e-4 else NO_TELLING

    @property
    def style(self) -> str:
        """'better', 'worse' or '': what a colour may say. Clusters are no classes: even ones are good for nobody."""
        return {MORE: "better", LESS: "worse"}.get(self.verdict, "") if self.kind == "class" else ""

    @property
    def sentence(self) -> str:
        """Both balances and the verdict, without a full stop."""
        of = f"balance of {self.things}, " + ("an estimate with a 95 % interval" if self.kind == "class" else "counted")
        curated = "no curated set" if self.curated is None else f"curated set {self.curated.told()}: {self.verdict}"
        curated += ": worse" if self.style == "worse" else ""
        why = f" (of classes it cannot be told: {self.unknown})" if self.unknown else ""
        return f"{of} (1 is perfectly even): pool {self.pool.told()}, {curated}{why}"

    @property
    def shown(self) -> tuple[Share, ...]:
        """The largest SHARES_SHOWN; where there is one more, that too."""
        return self.shares if len(self.shares) == SHARES_SHOWN + 1 else self.shares[:SHARES_SHOWN]

    @property
    def rest(self) -> tuple[Share, ...]:
        """One share for all others together, without an interval; none where there are no others."""
        tail = self.shares[len(self.shown) :]
        curated = [each.curated.value for each in tail if each.curated]
        both = Measured.counted(sum(each.pool.value for each in tail)), Measured.counted(sum(curated))
        return (Share(f"{len(tail):,} smaller", both[0], both[1] if curated else None),) if tail else ()


def read_balance(connection: Any) -> Balance | None:
    """Return the balance of classes where it was estimated, else that of the coarsest clusters; None without any."""
    found = {name: row for name, *row in connection.execute(BALANCE_SQL).fetchall()}
    if "pool" in found and found["pool"][-1] is None:
        shares = tuple(_share(*row) for row in connection.execute(SHARES_SQL).fetchall())
        pool, curated = found["pool"], found["curated"]
        even = None if curated[2] is None else Measured(*curated[2:5])
        return Balance("class", shares, Measured(*pool[2:5]), even, None, (pool[1], curated[1]))
    rows = connection.execute(COARSEST_SQL).fetchall()
    return _clusters(connection, rows, found["pool"][-1] if found else None) if rows else None


def _share(name: str, *both: float) -> Share:
    return Share(name, Measured(*both[:3]), None if both[3] is None else Measured(*both[3:]))


def _clusters(connection: Any, rows: list[tuple[str, float, float | None]], unknown: str | None) -> Balance:
    pool, curated = connection.execute(EVENNESS_SQL).fetchone()
    shares = tuple(Share(name, Measured.counted(a), None if b is None else Measured.counted(b)) for name, a, b in rows)
    even = None if curated is None else Measured.counted(curated)
    return Balance("cluster", shares, Measured.counted(pool), even, unknown)
