"""Licences by their SPDX identifiers (https://spdx.org/licenses), however they are spelt.

People write the identifier in any case, the words of the licence, its abbreviation, or its address on the web, and
often several of these one after the other, which must then agree. What is none of these has no identifier: nothing is
guessed, least of all a version.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache

LONGEST = 2000
"""Characters of a text that may name a licence; a longer one is the licence itself, or no licence."""

# Of Creative Commons: the elements in any order and spelling, the version, and perhaps the port to a country.
_ELEMENTS = {
    "by": "BY",
    "attribution": "BY",
    "nc": "NC",
    "noncommercial": "NC",
    "nd": "ND",
    "noderivs": "ND",
    "noderivatives": "ND",
    "noderivativeworks": "ND",
    "sa": "SA",
    "sharealike": "SA",
}
_SETS = {("BY",), ("BY", "SA"), ("BY", "ND"), ("BY", "NC"), ("BY", "NC", "SA"), ("BY", "NC", "ND")}
_RUN_TOGETHER = {"".join(each).lower(): " ".join(each).lower() for each in _SETS if len(each) > 1}
_VERSIONS = {"1.0", "2.0", "2.5", "3.0", "4.0"}
_PORTS = frozenset(
    f"CC-{each}"
    for each in (
        *("BY-2.5-AU", "BY-3.0-AT", "BY-3.0-AU", "BY-3.0-DE", "BY-3.0-IGO", "BY-3.0-NL", "BY-3.0-US", "BY-ND-3.0-DE"),
        *("BY-NC-3.0-DE", "BY-NC-ND-3.0-DE", "BY-NC-ND-3.0-IGO", "BY-NC-SA-2.0-DE", "BY-NC-SA-2.0-FR"),
        *("BY-NC-SA-2.0-UK", "BY-NC-SA-3.0-DE", "BY-NC-SA-3.0-IGO", "BY-SA-2.0-UK", "BY-SA-2.1-JP", "BY-SA-3.0-AT"),
        *("BY-SA-3.0-DE", "BY-SA-3.0-IGO"),
    )
)
_CC_URL = re.compile(r"(?:https?://)?(?:www\.)?creativecommons\.org/(licenses|publicdomain)/([a-z\-]+)/([0-9.]+)(/.*)?")
_LISTED = re.compile(
    r"(?:https?://)?(?:www\.)?(?:opensource\.org/licen[sc]es?|spdx\.org/licenses)/([^/]+?)(?:\.html|-license)?"
)
_COMMONS = re.compile(
    r"(?:cc ?|creative commons )?((?:by|attribution).*?) ?(\d(?:\.\d)?)"
    r"(?: (?:international|generic|unported|([a-z]{2,3})))?"
)
_DASH = re.compile("[\u2010\u2011\u2012\u2212]")  # that are meant as a hyphen
_INTRODUCTION = re.compile(
    r"(?:this (?:work|image|picture|photo|photograph|file|data|dataset) is )?"
    r"(?:(?:licen[sc]ed|released|published|available) under|licen[sc]e ?:|spdx(?:-license-identifier)? ?:) ?"
    r"(?:the terms of )?(?:an? |the )?"
)
_LINK = re.compile(r"<a [^>]*?href=[\"']([^\"'>]*)[^>]*>")
_SAID = ("spdx", "identifier", "name", "title", "url", "uri", "href", "link")
_BETWEEN = re.compile(r"[()|;\"<>{}\[\]]|, | [\u2013\u2014-] |(?=https?://)|(?<=/) ")
_NOTHING_SAID = frozenset(
    {"", "creative commons", "cc", "public domain dedication", "deed", "/a", "license", "licence"}
)
_JOINED = (
    ("non commercial", "noncommercial"),
    ("no deriv", "noderiv"),
    ("derivative works", "derivativeworks"),
    ("share alike", "sharealike"),
)
_NAMES = {
    "CC0-1.0": "cc0|cc zero|cczero|cc0 1.0|cc 0 1.0|cc zero 1.0|cc0 1.0 universal|creative commons zero"
    "|creative commons zero 1.0|creative commons zero v1.0 universal|creative commons cc0|creative commons cc0 1.0",
    "CC-PDDC": "cc pddc|creative commons public domain dedication and certification",
    "CC-PDM-1.0": "cc pdm 1.0|pdm 1.0|pdm|public domain mark|public domain mark 1.0|cc public domain mark 1.0"
    "|creative commons public domain mark 1.0",
    "MIT": "mit|mit license|the mit license|expat|expat license",
    "MIT-0": "mit 0|mit no attribution",
    "Apache-2.0": "apache 2|apache 2.0|apache2|apache2.0|apache license 2|apache license 2.0|apache license version 2.0"
    "|apache software license 2.0|asl 2.0|https://www.apache.org/licenses/license 2.0",
    "BSD-2-Clause": "bsd 2 clause|bsd 2 clause license|simplified bsd|simplified bsd license|freebsd license",
    "BSD-3-Clause": "bsd 3 clause|bsd 3 clause license|new bsd|new bsd license|modified bsd|modified bsd license"
    "|revised bsd",
    "0BSD": "0bsd|bsd zero clause|zero clause bsd",
    "ISC": "isc|isc license",
    "Zlib": "zlib|zlib license",
    "Unlicense": "unlicense|the unlicense|https://unlicense.org",
    "WTFPL": "wtfpl",
    "MPL-2.0": "mpl 2.0|mpl2|mozilla public license 2.0|mozilla public license version 2.0",
    "GPL-2.0-only": "gpl 2.0 only|gpl 2.0|gpl 2|gplv2|gnu gpl 2|gnu general public license 2"
    "|gnu general public license 2.0",
    "GPL-2.0-or-later": "gpl 2.0 or later|gpl 2.0+|gpl v2+",
    "GPL-3.0-only": "gpl 3.0 only|gpl 3.0|gpl 3|gplv3|gnu gpl 3|gnu gplv3|gnu general public license 3"
    "|gnu general public license 3.0|gnu gpl 3.0",
    "GPL-3.0-or-later": "gpl 3.0 or later|gpl 3.0+|gpl v3+",
    "LGPL-2.1-only": "lgpl 2.1 only|lgpl 2.1|lgplv2.1",
    "LGPL-2.1-or-later": "lgpl 2.1 or later|lgpl 2.1+",
    "LGPL-3.0-only": "lgpl 3.0 only|lgpl 3.0|lgpl 3|lgplv3",
    "LGPL-3.0-or-later": "lgpl 3.0 or later|lgpl 3.0+",
    "AGPL-3.0-only": "agpl 3.0 only|agpl 3.0|agpl 3|agplv3",
    "AGPL-3.0-or-later": "agpl 3.0 or later|agpl 3.0+",
    "GFDL-1.2-only": "gfdl 1.2 only",
    "GFDL-1.3-only": "gfdl 1.3 only",
    "GFDL-1.3-or-later": "gfdl 1.3 or later|gfdl 1.3+",
    "ODbL-1.0": "odbl|odbl 1.0|open database license|open database license 1.0|open data commons open database license"
    "|open data commons open database license v1.0|odc odbl|https://opendatacommons.org/licenses/odbl/1 0"
    "|https://opendatacommons.org/licenses/odbl/1.0",
    "ODC-By-1.0": "odc by|odc by 1.0|open data commons attribution license|open data commons attribution license v1.0"
    "|https://opendatacommons.org/licenses/by/1 0|https://opendatacommons.org/licenses/by/1.0",
    "PDDL-1.0": "pddl|pddl 1.0|odc pddl|open data commons public domain dedication & license 1.0"
    "|open data commons public domain dedication and license",
    "CDLA-Permissive-1.0": "cdla permissive 1.0|community data license agreement permissive 1.0",
    "CDLA-Permissive-2.0": "cdla permissive 2.0|community data license agreement permissive 2.0",
    "CDLA-Sharing-1.0": "cdla sharing 1.0|community data license agreement sharing 1.0",
    "C-UDA-1.0": "c uda|c uda 1.0|computational use of data agreement|computational use of data agreement v1.0",
    "OGL-UK-3.0": "ogl uk 3.0|ogl 3.0|open government licence v3.0|open government license v3.0",
    "etalab-2.0": "etalab 2.0|licence ouverte 2.0|etalab open license 2.0",
    "DL-DE-BY-2.0": "dl de by 2.0|datenlizenz deutschland namensnennung 2.0",
    "DL-DE-ZERO-2.0": "dl de zero 2.0|datenlizenz deutschland zero 2.0",
    "Artistic-2.0": "artistic 2.0|artistic license 2.0",
    "EPL-2.0": "epl 2.0|eclipse public license 2.0",
    "EUPL-1.2": "eupl 1.2|european union public licence 1.2",
    "BSL-1.0": "bsl 1.0|boost software license 1.0",
    "OFL-1.1": "ofl 1.1|sil open font license 1.1",
}


@lru_cache(maxsize=4096)  # a pool has few licences, and many samples under each
def spdx_of(text: str) -> str | None:
    """Return the SPDX identifier of a licence, None of what is not known to be one.

    >>> [spdx_of(text) for text in ("cc by-sa 4.0", "http://creativecommons.org/licenses/by/2.0/", "ask me")]
    ['CC-BY-SA-4.0', 'CC-BY-2.0', None]
    >>> spdx_of("Attribution 4.0 International (CC BY 4.0)"), spdx_of("CC BY 4.0 (but not the logos)")
    ('CC-BY-4.0', None)
    """
    if len(text) > LONGEST:
        return None
    plain = _DASH.sub("-", " ".join(_of_object(text).split()).lower()).strip("{}© ")
    plain = _INTRODUCTION.sub("", _LINK.sub(r" | \1 | ", plain))
    return _named(plain) or _said_again(plain)


def _of_object(text: str) -> str:
    """What a JSON object says of a licence, as `{"name": ..., "url": ...}`; of other text, that."""
    try:
        said = json.loads(text) if text.lstrip().startswith("{") else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        return text
    return " | ".join(str(value) for key, value in said.items() if value and key.lower() in _SAID)


def _named(plain: str) -> str | None:
    """The licence that a text is the name or the address of."""
    plain = re.sub(r"[?#].*", "", plain).rstrip("/. ").removeprefix("//")
    address = _CC_URL.fullmatch(plain)
    if address:
        return _of_address(address[1], address[2], address[3], address[4] or "")
    listed = _LISTED.fullmatch(plain)
    words = _words(listed[1] if listed else plain)
    return _IDS.get(words) or _commons(words)


def _said_again(plain: str) -> str | None:
    """The licence that every statement of a text names; one of Creative Commons may go without its version."""
    statements = [piece.strip() for piece in _BETWEEN.split(plain) if piece.strip(" .") not in _NOTHING_SAID]
    known = {spdx: None for spdx in map(_named, statements) if spdx}
    if len(known) != 1:
        return None
    [spdx] = known
    vague = (_elements_of(_words(each)) for each in statements if _named(each) is None)
    return spdx if all(each is not None and _has_elements(spdx, each) for each in vague) else None


def _has_elements(spdx: str, elements: tuple[str, ...]) -> bool:
    return re.fullmatch(rf"CC-{'-'.join(elements)}-\d.*", spdx) is not None


def _words(plain: str) -> str:
    """A licence's name with one spelling of what is said in several."""
    for old, new in (("®", ""), ("(c)", ""), (",", " "), ("(", " "), (")", " "), ("_", " "), ("-", " "), ("–", " ")):
        plain = plain.replace(old, new)
    plain = re.sub(r"\b(?:version|ver\.?|v\.?) ?(?=\d)", "", plain.replace("licence", "license"))
    plain = re.sub(r"\s+", " ", plain).strip().removeprefix("the ").removesuffix(" deed")
    return plain.removesuffix(" license").removesuffix(" public")


_IDS = {_words(name): key for key, names in _NAMES.items() for name in (key.lower(), *names.split("|"))}


def _of_address(kind: str, name: str, version: str, rest: str) -> str | None:
    if kind == "publicdomain":
        return {("zero", "1.0"): "CC0-1.0", ("mark", "1.0"): "CC-PDM-1.0"}.get((name, version))
    country = re.match(r"/([a-z]{2,3})(?:/|$)", rest)
    known = _element_set(name.replace("-", " ").split())
    return _identifier(known, version, country[1] if country else None)


def _commons(words: str) -> str | None:
    found = _COMMONS.fullmatch(_joined(words))
    if found is None:
        return None
    version = found[2] if "." in found[2] else f"{found[2]}.0"
    return _identifier(_element_set(found[1].removesuffix(" license").split()), version, found[3])


def _elements_of(words: str) -> tuple[str, ...] | None:
    """The elements of a licence of Creative Commons without its version."""
    return _element_set(re.sub(r"^(?:cc|creative commons) ", "", _joined(words)).split())


def _joined(words: str) -> str:
    for old, new in _JOINED:
        words = words.replace(old, new)
    return words


def _element_set(words: list[str]) -> tuple[str, ...] | None:
    elements = [_ELEMENTS.get(word) for each in words for word in _RUN_TOGETHER.get(each, each).split()]
    order = ("BY", "NC", "ND", "SA")
    known = tuple(element for element in order if element in elements)
    return known if None not in elements and len(set(elements)) == len(elements) and known in _SETS else None


def _identifier(elements: tuple[str, ...] | None, version: str, country: str | None) -> str | None:
    if elements is None or version not in _VERSIONS:
        return None
    if country is None:
        return "-".join(("CC", *elements, version))
    ported = "-".join(("CC", *elements, version, country.upper()))
    return ported if ported in _PORTS else None
