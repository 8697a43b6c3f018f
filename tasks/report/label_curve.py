"""Coverage against confidence: what share of the labels should be right, as more of the pool is labelled."""

from __future__ import annotations

import math

from markupsafe import Markup

from windrow.tasks.report.figures import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, axis_titles
from windrow.tasks.report.formats import percent
from windrow.tasks.report.label_facts import LabelFacts
from windrow.tasks.report.svg import element, number, picture, text

TICKS = 5


def label_curve(labels: LabelFacts) -> Markup:
    """Draw coverage against mean confidence, and a dot where the run's policy is, unless that gave no label."""
    coverage, confidence = labels.coverage, labels.confidence
    least = min(math.floor(min(sure for _, sure in labels.curve) * 10) / 10, 0.9)
    points = " ".join(f"{number(_x(covered))},{number(_y(sure, least))}" for covered, sure in labels.curve)
    parts = [*_grid(least), *axis_titles("share of the unlabelled samples that get a label", "mean confidence")]
    parts.append(element("polyline", points=points, class_="line-pool"))
    if coverage > 0:
        x, y = _x(coverage), _y(confidence, least)
        parts.append(element("circle", cx=x, cy=y, r=6.0, class_="fill-curated"))
        words = f"this run: {percent(coverage)} at {percent(confidence)}"
        side, shift = ("end", -12) if coverage > 0.5 else ("start", 12)
        parts.append(text(x + shift, y + 20, words, class_=f"place {side}"))
    label = "Mean confidence of the labels, as more of the samples without a label get one, the surest first"
    return picture(WIDTH, HEIGHT, label, *parts, style="plot")


def _x(coverage: float) -> float:
    return LEFT + (WIDTH - RIGHT - LEFT) * coverage


def _y(confidence: float, least: float) -> float:
    return HEIGHT - BOTTOM + (TOP - HEIGHT + BOTTOM) * (confidence - least) / (1 - least)


def _grid(least: float) -> list[Markup]:
    drawn = []
    for step in range(TICKS + 1):
        share = step / TICKS
        x, y = _x(share), _y(least + (1 - least) * share, least)
        drawn.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"))
        drawn.append(text(LEFT - 8, y + 4, percent(least + (1 - least) * share, 0), class_="tick end"))
        drawn.append(element("line", x1=x, x2=x, y1=TOP, y2=HEIGHT - BOTTOM, class_="grid"))
        drawn.append(text(x, HEIGHT - BOTTOM + 16, percent(share, 0), class_="tick middle"))
    return drawn
