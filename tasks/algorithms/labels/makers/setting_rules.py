"""What the values of settings must be, said in one line that names the setting as it stands in YAML."""

from __future__ import annotations

import math

PLACE = "labels.settings"


def refuse(maker: str, name: str, wants: str, value: object) -> ValueError:
    """The error of a setting: 'labels.settings.knn.k: wants ..., got 0'."""
    return ValueError(f"{PLACE}.{maker}.{name}: wants {wants}, got {value!r}")


def check_positive(maker: str, settings: object, *names: str) -> None:
    """Raise ValueError unless each of these fields is a finite number above 0, or None."""
    for name in names:
        value = getattr(settings, name)
        if value is not None and not 0 < value < math.inf:
            raise refuse(maker, name, "a number above 0", value)


def check_from_zero(maker: str, settings: object, *names: str) -> None:
    """Raise ValueError unless each of these fields is a finite number from 0, or None."""
    for name in names:
        value = getattr(settings, name)
        if value is not None and not 0 <= value < math.inf:
            raise refuse(maker, name, "a number from 0", value)


def check_fraction(maker: str, settings: object, name: str, *, zero: bool = False, one: bool = False) -> None:
    """Raise ValueError unless this field is between 0 and 1, or one of these limits where that is allowed, or None."""
    value = getattr(settings, name)
    if value is None or 0 < value < 1 or (zero and value == 0) or (one and value == 1):
        return
    raise refuse(maker, name, f"a number {'from' if zero else 'above'} 0 {'to' if one else 'and below'} 1", value)


def check_choice(maker: str, settings: object, name: str, choices: tuple[str, ...]) -> None:
    """Raise ValueError unless this field is one of the choices."""
    if getattr(settings, name) not in choices:
        raise refuse(maker, name, f"one of {', '.join(choices)}", getattr(settings, name))
