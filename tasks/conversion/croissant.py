"""Croissant 1.1: a JSON-LD description of the version's Parquet files, which are linked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from windrow.schemas.exported import EXPORTED, Further
from windrow.tasks.conversion.converted_version import Format, SourceVersion, link_file
from windrow.tasks.storage.published.card_answers import is_answer
from windrow.tasks.storage.published.licence_terms import licence_url

CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
    "isArray": "cr:isArray",
    "arrayShape": "cr:arrayShape",
}
CONFORMS_TO = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
RESPONSIBLE = {
    "rai:dataUseCases": ("purpose",),
    "rai:dataLimitations": ("out_of_scope",),
    "rai:dataCollection": ("collection",),
    "rai:personalSensitiveInformation": ("people_depicted", "consent", "sensitive_content"),
    "rai:dataAnnotationProtocol": ("annotation",),
    "rai:dataBiases": ("biases",),
    "rai:dataReleaseMaintenancePlan": ("maintenance",),
}
"""Which of a card's answers each property is made of."""

_KINDS = {pa.string(): "sc:Text", pa.bool_(): "sc:Boolean"}


@dataclass(frozen=True)
class Croissant(Format):
    """`croissant.json` beside `parquet/`: a file for each shard with its SHA-256, and a record for each sample."""

    name: ClassVar[str] = "croissant"
    made_from: ClassVar[str] = "parquet"

    def write(self, version: SourceVersion, folder: Path) -> None:
        """Write the version into an empty folder."""
        files = [file for split in version.splits for file in version.shard_files(split, "parquet")]
        for file in files:
            link_file(version.path / file["path"], folder / file["path"])
        text = json.dumps(_described(version.manifest, files), indent=2, ensure_ascii=False)
        (folder / "croissant.json").write_text(text + "\n")


def _described(manifest: dict[str, Any], files: list[dict[str, Any]]) -> dict[str, Any]:
    name = f"{manifest['name']}-{manifest['version']}"
    objects = [
        {
            "@type": "cr:FileObject",
            "@id": file["path"],
            "name": file["path"],
            "contentUrl": file["path"],
            "contentSize": f"{file['n_bytes']} B",
            "encodingFormat": "application/x-parquet",
            "sha256": file["sha256"],
        }
        for file in files
    ]
    shards = {
        "@type": "cr:FileSet",
        "@id": "shards",
        "encodingFormat": "application/x-parquet",
        "includes": "parquet/*.parquet",
    }
    described: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": name,
        "description": f"{manifest['n_samples']:,} images of the curated set {manifest['name']}, made with Windrow.",
        "conformsTo": CONFORMS_TO,
        "version": f"{int(manifest['version'].removeprefix('v'))}.0.0",
        "distribution": [*objects, shards],
        "recordSet": [_records(Further.of(manifest))],
    }
    return {**described, **_licences(manifest), **_said_by_people(manifest)}


def _licences(manifest: dict[str, Any]) -> dict[str, Any]:
    """The set's licence, or else the addresses or names of those of its images."""
    if manifest["config"]["license"] is not None:
        return {"license": manifest["config"]["license"]}
    licences = [licence_url(name) or name for name in manifest["counts"]["license"]]
    return {"license": licences} if licences else {}


def _said_by_people(manifest: dict[str, Any]) -> dict[str, Any]:
    """The answers on the card, in the vocabulary of responsible AI (Croissant RAI 1.0), and which labels are made."""
    answers = {name: text for name, text in manifest["config"]["card"].items() if is_answer(text)}
    said: dict[str, Any] = {}
    for field, names in RESPONSIBLE.items():
        texts = [answers[name] for name in names if name in answers]
        said |= {field: "\n\n".join(texts)} if texts else {}
    if answers.get("creators"):
        said["creator"] = {"@type": "sc:Organization", "name": answers["creators"].strip().splitlines()[0]}
    if manifest["classes"] and manifest["config"]["label_set"] != "given":
        said["rai:machineAnnotationTools"] = f"Windrow {manifest['windrow_version']}"
    return said


def _records(further: Further) -> dict[str, Any]:
    columns = further.added_to(EXPORTED).columns
    fields = [_field(column.name, column.type, column.meaning) for column in columns]
    return {"@type": "cr:RecordSet", "@id": "samples", "key": {"@id": "samples/sample_id"}, "field": fields}


def _field(name: str, kind: pa.DataType, meaning: str) -> dict[str, Any]:
    source: dict[str, Any] = {"fileSet": {"@id": "shards"}, "extract": {"column": name}}
    field = {"@type": "cr:Field", "@id": f"samples/{name}", "name": name, "description": meaning, "source": source}
    if name == "image":
        return {**field, "dataType": "sc:ImageObject", "source": {**source, "transform": {"jsonPath": "bytes"}}}
    repeated = {"repeated": True} if pa.types.is_list(kind) else {}
    return {**field, "dataType": _kind(kind.value_type if repeated else kind), **repeated}


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_integer(kind):
        return "sc:Integer"
    return "sc:Float" if pa.types.is_floating(kind) else _KINDS[kind]
