"""Croissant metadata of a dataset: JSON-LD that search engines and loaders read.

The format: Croissant 1.0 (https://docs.mlcommons.org/croissant/docs/croissant-spec.html), with the
responsible-AI vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from yt360.hub.dataset_card import bias_text, people_text
from yt360.hub.dataset_facts import DatasetFacts
from yt360.hub.local_file import LocalFile
from yt360.shards.format.index_file import INDEX_SCHEMA
from yt360.shards.format.schema import INDEX_FILE
from yt360.terminal.text import json_text

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
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
}
_TYPES = {"string": "sc:Text", "int64": "sc:Integer", "double": "sc:Float"}
_ENCODINGS = {
    "csv": "text/csv",
    "json": "application/json",
    "parquet": "application/x-parquet",
    "tar": "application/x-tar",
}
_MEMBERS = (
    ("clip-audio", "*.flac", "audio/flac", "Four-channel audio of each clip, ambiX."),
    ("clip-video", "*.mp4", "video/mp4", "Video of each clip, mono equirectangular."),
    ("clip-facts", "*.json", "application/json", "Facts of each clip."),
)


def croissant(facts: DatasetFacts, files: Sequence[LocalFile], media: Sequence[LocalFile]) -> bytes:
    """Return the metadata as JSON.

    Args:
        facts: The dataset.
        files: Files of data that are pushed, with shards of clips.
        media: Shards of clips among them.
    """
    sets = [_file_set(*member, media) for member in _MEMBERS] if media else []
    content = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": facts.name.rpartition("/")[2],
        "description": facts.summary,
        "url": facts.url,
        "license": [*facts.licences],
        "datePublished": facts.date,
        "version": "1.0.0",
        "keywords": ["360° video", "spatial audio", "ambisonics"],
        "creator": {"@type": "sc:Organization", "name": facts.name.partition("/")[0]},
        "citeAs": f"{facts.name}, {facts.date}, {facts.url}",
        "rai:dataCollection": (
            f"Built by yt360 build-shards {facts.info.built_with}. dataset.json has the options "
            "and every input that was left out, with the reason."
        ),
        "rai:dataBiases": bias_text(facts),
        "rai:personalSensitiveInformation": people_text(),
        "distribution": [*(_file_object(facts, file) for file in files), *sets],
        "recordSet": [_record_set(file) for file in files if file.path.endswith(f"/{INDEX_FILE}")],
    }
    return (json_text(content, indent=2) + "\n").encode()


def _file_object(facts: DatasetFacts, file: LocalFile) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "contentUrl": f"{facts.url}/resolve/main/{file.path}",
        "contentSize": f"{file.size} B",
        "encodingFormat": _ENCODINGS[file.path.rpartition(".")[2]],
        "sha256": file.listed or file.sha256,
    }


def _file_set(
    name: str, includes: str, encoding: str, description: str, media: Sequence[LocalFile]
) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "description": description,
        "containedIn": [{"@id": file.path} for file in media],
        "encodingFormat": encoding,
        "includes": includes,
    }


def _record_set(index: LocalFile) -> dict[str, Any]:
    split = index.path.partition("/")[0]
    name = f"{split}-clips"
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"Clips of the split {split}: origin, and byte ranges in the shards.",
        "key": {"@id": f"{name}/key"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{field.name}",
                "name": field.name,
                "dataType": _TYPES[str(field.type)],
                "source": {
                    "fileObject": {"@id": index.path},
                    "extract": {"column": field.name},
                },
            }
            for field in INDEX_SCHEMA
        ],
    }
