"""Coverage against confidence: what share of the labels should be right, as more of the pool is labelled."""

from __future__ import annotations

import math

from markupsafe import Markup

from windrow.tasks.report.drawings.figures import HEIGHT, WIDTH, Line, linear, place, plot
from windrow.tasks.report.drawings.svg import element, text
from windrow.tasks.report.formats import percent
from windrow.tasks.report.label_facts import LabelFacts


def label_curve(labels: LabelFacts) -> Markup:
    """Draw coverage against mean confidence, and a dot where the run's policy is, unless that gave no label."""
    least = min(math.floor(min(sure for _, sure in labels.curve) * 10) / 10, 0.9)
    across = linear("share of the unlabelled samples that get a label", 0, 1)
    up = linear("mean confidence", least, 1)
    over = []
    if labels.coverage > 0:
        x, y = place((labels.coverage, labels.confidence), across, up, WIDTH, HEIGHT)
        words = f"this run: {percent(labels.coverage)} at {percent(labels.confidence)}"
        side, shift = ("end", -12) if labels.coverage > 0.5 else ("start", 12)
        over = [
            element("circle", cx=x, cy=y, r=6.0, class_="fill-curated"),
            text(x + shift, y + 20, words, class_=f"place {side}"),
        ]
    label = "Mean confidence of the labels, as more of the samples without a label get one, the surest first"
    return plot(label, across, up, Line(labels.curve, "line-pool"), over=over)
