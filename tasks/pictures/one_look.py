"""One decode of a picture for all who want something of it: what it is, its measures, and the inputs of models.

Whoever looks again later gets the same: each view is what `prepared_pixels` makes of the bytes alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import ImageFile

from windrow.tasks.pictures.decoding import MEASURED_SIDE, ImageFacts, draft_scale, in_rgb, inspected
from windrow.tasks.pictures.guarded import Preparation, pixels_of, prepare_all_guarded, prepared_pixels
from windrow.tasks.pictures.opening import UnreadableImage, look_at
from windrow.tasks.pictures.sandbox import Sandbox, Verdict
from windrow.tasks.pictures.sandbox_worker import Pixels, Seen


@dataclass(frozen=True)
class View:
    """What somebody wants of a picture: `preparation` of it in RGB, where a JPEG may be drafted to `min_side`."""

    min_side: int | None
    preparation: Preparation


def look_once(data: bytes, max_pixels: int, decode: bool, views: Sequence[View]) -> Seen:
    """In a sandbox: return the facts of `inspect_image`, and of each view its pixels or why there are none.

    Views that see the picture at the size at which it is measured share its decode. For others a JPEG is decoded at
    theirs; no other format has several. Raises UnreadableImage, as `inspect_image`, and where a view fails of which the
    shared decode is not the reason: who looks at the bytes for this view alone is told why.
    """
    shared: dict[int, Pixels] = {}

    def look(image: ImageFile.ImageFile, data: bytes, mended: str | None) -> ImageFacts:
        facts, loaded = inspected(image, data, mended, decode)
        measured = draft_scale(facts.format, (facts.width, facts.height), MEASURED_SIDE)
        for n, view in enumerate(views):
            scale = draft_scale(facts.format, (facts.width, facts.height), view.min_side)
            if loaded is not None and scale == measured:
                shared[n] = pixels_of(view.preparation.prepare(in_rgb(image, loaded, view.min_side)))
        return facts

    facts = look_at(data, max_pixels, look, whole=decode)
    return Seen(facts, tuple(shared[n] if n in shared else _alone(data, view) for n, view in enumerate(views)))


def _alone(data: bytes, view: View) -> Pixels | str:
    try:
        return prepared_pixels(data, view.min_side, view.preparation)
    except UnreadableImage as error:
        if isinstance(error.__cause__, MemoryError):
            raise
        return error.reason


def look_once_guarded(sandbox: Sandbox, images: Sequence[bytes], views: Sequence[View]) -> list[Verdict]:
    """Return what `look_once` says of some images, in a sandbox that calls it: Seen, or why one cannot be used.

    An image that fails is looked at again as if nobody wanted a view of it, within the same limits, and each of its
    views by itself: neither is to cost the other its verdict.
    """
    return [
        _one_by_one(sandbox, data, views) if isinstance(found, str) else found
        for data, found in zip(images, sandbox.look(images, tuple(views)), strict=True)
    ]


def _one_by_one(sandbox: Sandbox, data: bytes, views: Sequence[View]) -> Verdict:
    [found] = sandbox.look([data], ())
    if not isinstance(found, Seen):
        return found
    made = (prepare_all_guarded([data], view.min_side, view.preparation)[0] for view in views)
    return Seen(found.facts, tuple(one if isinstance(one, str) else pixels_of(one) for one in made))
