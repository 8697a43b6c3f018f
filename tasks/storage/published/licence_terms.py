"""What licences ask of those who pass pictures on, and what they are called elsewhere, by their SPDX identifiers."""

from __future__ import annotations

WAIVE_ATTRIBUTION = frozenset(
    {"0BSD", "CC-PDDC", "CC-PDM-1.0", "CC0-1.0", "DL-DE-ZERO-2.0", "MIT-0", "PDDL-1.0", "Unlicense", "WTFPL"}
)
"""Those that ask for no author's name and no notice. Of all others one is safe to give."""

_PUBLIC_DOMAIN = {"CC0-1.0": "zero", "CC-PDM-1.0": "mark"}

# Of Hugging Face, where that is not the SPDX identifier in lower case.
_HUB = {
    "AGPL-3.0-only": "agpl-3.0",
    "AGPL-3.0-or-later": "agpl-3.0",
    "GFDL-1.2-only": "gfdl",
    "GFDL-1.3-only": "gfdl",
    "GFDL-1.3-or-later": "gfdl",
    "GPL-2.0-only": "gpl-2.0",
    "GPL-2.0-or-later": "gpl-2.0",
    "GPL-3.0-only": "gpl-3.0",
    "GPL-3.0-or-later": "gpl-3.0",
    "LGPL-2.1-only": "lgpl-2.1",
    "LGPL-2.1-or-later": "lgpl-2.1",
    "LGPL-3.0-only": "lgpl-3.0",
    "LGPL-3.0-or-later": "lgpl-3.0",
    "ODC-By-1.0": "odc-by",
    "ODbL-1.0": "odbl",
    "PDDL-1.0": "pddl",
    "C-UDA-1.0": "c-uda",
}
_HUB_HAS = frozenset(
    {
        *("apache-2.0", "bsd-2-clause", "bsd-3-clause", "bsl-1.0", "cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0"),
        *("cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0"),
        *("cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"),
        *("cdla-sharing-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0", "epl-2.0", "etalab-2.0", "eupl-1.2"),
        *("artistic-2.0", "isc", "mit", "mpl-2.0", "ofl-1.1", "unlicense", "wtfpl", "zlib", *_HUB.values()),
    }
)


def asks_for_attribution(licence: str | None) -> bool:
    """Say whether a picture under a licence, by its SPDX identifier or as it came, is to be passed on with its author.

    What has no identifier may ask for it; of what came without any licence nothing is known, so nothing is said.
    """
    return licence is not None and licence not in WAIVE_ATTRIBUTION


def licence_url(licence: str) -> str | None:
    """Return where a licence can be read, by its SPDX identifier; None of what is not one of Creative Commons'.

    >>> licence_url("CC-BY-SA-3.0-DE"), licence_url("ask me")
    ('https://creativecommons.org/licenses/by-sa/3.0/de/', None)
    """
    if licence in _PUBLIC_DOMAIN:
        return f"https://creativecommons.org/publicdomain/{_PUBLIC_DOMAIN[licence]}/1.0/"
    name, *rest = licence.lower().split("-")
    at = next((number for number, part in enumerate(rest) if part[:1].isdigit()), None)
    if name != "cc" or not at:
        return None
    return f"https://creativecommons.org/licenses/{'-'.join(rest[:at])}/{'/'.join(rest[at:])}/"


def hub_licence(licence: str) -> str | None:
    """Return what Hugging Face calls a licence, by its SPDX identifier; None of what it has no name for."""
    name = _HUB.get(licence, licence.lower())
    return name if name in _HUB_HAS else None
