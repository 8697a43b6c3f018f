"""Licences by their SPDX identifiers, authors and addresses, from what came with a sample."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windrow.tasks.ingest.attribution import attribution
from windrow.tasks.storage.published.licences import spdx_of
from windrow.tasks.storage.sources.source_shard import Found

SPELT = {
    "CC-BY-4.0": (
        "cc-by-4.0",
        "CC BY 4.0",
        "cc_by_4.0",
        "CC BY 4",
        "https://creativecommons.org/licenses/by/4.0/",
        "Creative Commons Attribution 4.0 International",
        "CC-BY 4.0 International License",
        "Attribution 4.0 International",
        "creativecommons.org/licenses/by/4.0/legalcode",
        "HTTP://CREATIVECOMMONS.ORG/LICENSES/BY/4.0/deed.de?ref=chooser",
        "//creativecommons.org/licenses/by/4.0/",
        "CC BY v4.0",
        "CC Attribution 4.0",
        "CC\u2011BY\u20114.0",
        "SPDX-License-Identifier: CC-BY-4.0",
        "License: CC BY 4.0",
        "{{cc-by-4.0}}",
        "Creative Commons Attribution 4.0 International (CC BY 4.0)",
        "Creative Commons — Attribution 4.0 International — CC BY 4.0",
        "Creative Commons — Attribution — CC BY 4.0",
        "CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)",
        "CC BY 4.0, https://creativecommons.org/licenses/by/4.0/legalcode",
        "https://creativecommons.org/licenses/by/4.0/ CC BY 4.0",
        "This work is licensed under a Creative Commons Attribution 4.0 International License.",
        '<a rel="license" href="https://creativecommons.org/licenses/by/4.0/">CC BY 4.0</a>',
        '{"name": "Attribution License", "url": "http://creativecommons.org/licenses/by/4.0/", "id": 4}',
    ),
    "CC-BY-SA-3.0": ("cc by-sa 3.0", "CC-BY-SA-3.0", "Creative Commons Attribution-Share Alike 3.0 Unported License"),
    "CC-BY-NC-ND-2.0": (
        "cc-by-nc-nd-2.0",
        "https://creativecommons.org/licenses/by-nc-nd/2.0/",
        "Attribution-NonCommercial-NoDerivs 2.0 Generic",
        "cc by nc nd v2.0",
    ),
    "CC-BY-NC-SA-4.0": ("CC BY-NC-SA 4.0 International Public License", "cc by-nc-sa version 4.0", "CC-BYNCSA 4.0"),
    "CC-BY-NC-SA-2.0": ("Attribution-NonCommercial-ShareAlike 2.0 Generic (CC BY-NC-SA 2.0)", "by-nc-sa 2.0"),
    "CC-BY-SA-3.0-IGO": ("https://creativecommons.org/licenses/by-sa/3.0/igo/", "CC BY-SA 3.0 IGO"),
    "CC-BY-3.0-DE": ("https://creativecommons.org/licenses/by/3.0/de/", "CC-BY-3.0-DE", "cc by 3.0 de"),
    "CC0-1.0": (
        "CC0",
        "cc0-1.0",
        "CC-Zero",
        "CC0 1.0 Universal",
        "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication",
        "https://creativecommons.org/publicdomain/zero/1.0/",
    ),
    "CC-PDM-1.0": ("Public Domain Mark 1.0", "http://creativecommons.org/publicdomain/mark/1.0"),
    "MIT": ("mit", "MIT License", "The MIT License", "https://opensource.org/licenses/MIT"),
    "Apache-2.0": ("apache-2.0", "Apache License, Version 2.0", "https://www.apache.org/licenses/LICENSE-2.0"),
    "BSD-3-Clause": ("bsd-3-clause", "New BSD License", "https://spdx.org/licenses/BSD-3-Clause.html"),
    "GPL-3.0-only": ("GPLv3", "gpl-3.0", "GNU General Public License v3.0"),
    "ODbL-1.0": ("odbl", "Open Database License", "https://opendatacommons.org/licenses/odbl/1-0/"),
    "PDDL-1.0": ("PDDL",),
    "CDLA-Permissive-2.0": ("cdla-permissive-2.0",),
    "etalab-2.0": ("Licence Ouverte 2.0",),
}
NO_SPDX = (
    *("cc-by", "all rights reserved", "ask me", "unknown", "CC BY 9.0", "cc by nd sa 4.0", "by", "4.0", "", "CC"),
    *("not CC BY 4.0", "CC BY 4.0 except logos", "CC BY 4.0 (except logos)", "CC BY 4.0 or MIT", "bystander 4.0"),
    *("CC BY 4.0, CC BY-SA 4.0", "MIT License, Apache-2.0", "by-nc 4.0 (http://creativecommons.org/licenses/by/4.0/)"),
    *('{"name": "CC BY 4.0", "url": "https://x.org/terms"}', '{"name": ', "CC BY 4.0 " * 500, "<a " * 600),
)


@pytest.mark.parametrize(("spdx", "text"), [(spdx, text) for spdx, texts in SPELT.items() for text in (spdx, *texts)])
def test_a_licence_has_one_identifier_however_it_is_spelt(spdx: str, text: str) -> None:
    assert spdx_of(text) == spdx_of(f"  {text.upper()} ") == spdx


@pytest.mark.parametrize("text", NO_SPDX)
def test_what_is_not_known_is_not_guessed(text: str) -> None:
    assert spdx_of(text) is None


@given(st.text())
def test_an_identifier_is_its_own_and_nothing_fails(text: str) -> None:
    found = spdx_of(text)
    assert found is None or spdx_of(found) == found


def test_author_and_address_come_from_the_metadata_or_the_list() -> None:
    metadata = json.dumps({"Creator": " A. N. Other ", "url": "ftp://no", "page_url": "https://x.org/p"})
    found = Found(0, "a", "png", metadata=metadata, license="CC BY 2.0")
    assert attribution(found, "tar") == {"spdx": "CC-BY-2.0", "author": "A. N. Other", "source_url": "https://x.org/p"}
    listed = Found(0, "https://x.org/a.png", "png", metadata='{"author": 3}', license="mine")
    assert attribution(listed, "url") == {"spdx": None, "author": None, "source_url": "https://x.org/a.png"}
    assert set(attribution(Found(0, "a", "png"), "file").values()) == {None}
