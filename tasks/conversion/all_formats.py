"""All formats that a version can be converted to."""

from __future__ import annotations

from windrow.tasks.conversion.coco import Coco
from windrow.tasks.conversion.converted_version import Format
from windrow.tasks.conversion.croissant import Croissant
from windrow.tasks.conversion.energon import Energon
from windrow.tasks.conversion.huggingface_folder import HuggingFace, HuggingFaceTars
from windrow.tasks.conversion.lance_tables import LanceTable
from windrow.tasks.conversion.lit import Lit
from windrow.tasks.conversion.mosaic import Mosaic

FORMATS: dict[str, Format] = {
    layout.name: layout
    for layout in (
        *(Energon(), Mosaic(), Lit(), LanceTable(), Croissant()),
        *(HuggingFace(), HuggingFaceTars(), Coco()),
    )
}
