"""One function turns a URI into text: what is not known to be harmless is not written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windrow.tasks.fetching import credentials
from windrow.tasks.fetching.credentials import name_sources, real, without_secrets, written
from windrow.tasks.texts.uris import ALLOWED, shown_text, shown_uri

S = "s3cr3t"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://me:pw@h.example:8443/a b?x=1#frag", "https://h.example:8443/a b?x=1"),
        ("https://b/k?X-Amz-Date=1&X-Amz-Signature=f&x-amz-security-token=q&w=2", "https://b/k?w=2"),
        ("https://b/k?AWSAccessKeyId=A&Signature=s&Expires=1", "https://b/k"),
        ("https://b/k?sv=1&sr=b&sig=zz&name=3", "https://b/k?name=3"),
        ("https://b/k?access_token=zz&api-key=q&w=9", "https://b/k?w=9&***"),
        ("https://b/k?whatever=1", "https://b/k?***"),
        ("s3://bucket/a/b.jpg", "s3://bucket/a/b.jpg"),
        ("s3://bucket/a#1.jpg", "s3://bucket/a#1.jpg"),
        ("s3://key:secret@bucket/a.jpg", "s3://***@bucket/a.jpg"),
        ("abfs://container@account.dfs.core.windows.net/a", "abfs://container@account.dfs.core.windows.net/a"),
        ("http://[::1", "http://***"),
        ("https://u:p/w@h/x", "https://***"),
        ("/a/b?token=1#2.png", "/a/b?token=1#2.png"),
        ("file:///a?token=1", "file:///a?token=1"),
    ],
)
def test_what_is_written_of_a_uri(uri: str, shown: str) -> None:
    assert shown_uri(uri) == shown_uri(shown) == shown


SECRETS = [
    f"https://{S}@h/x",
    f"https://u:{S}@h/x",
    f"HTTPS://u:p@{S}@h/x",
    f"https://u:{S}/@h/x",
    *(
        f"https://h/x?{name}={S}"
        for name in [
            "token",
            "key",
            "sig",
            "access_token",
            "X-Amz-Signature",
            "X-Amz-Credential",
            "X-Goog-Signature",
            "sp",
            "se",
            "sv",
            "auth",
            "jwt",
            "code",
            "session",
            "apikey",
            "Key-Pair-Id",
            "Policy",
            "s",
            "hash",
            "hmac",
            "password",
            "%74oken",
            "TOKEN",
            "amp;token",
            "id[]",
            "st",
        ]
    ),
    f"https://h/x?{S}",
    f"https://h/x?{S}=",
    f"https://h/x?id=1;token={S}",
    f"https://h/x?id=1&amp;token={S}",
    f"https://h/x;jsessionid={S}/y",
    f"https://h/x#access_token={S}",
    f"https://h/x?url=https%3A%2F%2Fu%3A{S}%40h%2F",
    f"https://h/x?path=https://h/y?token={S}",
    f"s3://k:{S}@b/x",
    f"sftp://{S}@h/x",
    f"abfs://c:{S}@h/x",
    f"gs://b/x?token={S}",
    f"zip://a.png::https://u:{S}@h/x.zip",
]


@pytest.mark.parametrize("uri", SECRETS)
def test_no_secret_is_written_wherever_it_stands(uri: str) -> None:
    for text in (
        shown_uri(uri),
        shown_text(f"cannot read '{uri}', (<{uri}>): {uri}"),
        name_sources([f"list:{uri}"])[0],
    ):
        assert S not in text
    assert S not in without_secrets(f"error at {uri}") and S not in str(written({"a": [uri], "b": ("x " + uri,)}))


def test_every_allowed_name_is_kept() -> None:
    assert all(shown_uri(f"https://h/x?{name}=1") == f"https://h/x?{name}=1" for name in ALLOWED)


@given(st.text())
def test_any_text_is_taken_and_written_once_is_written_the_same_again(text: str) -> None:
    for uri in (text, f"https://{text}", f"https://h/{text}", f"https://h/?{text}"):
        assert shown_uri(shown_uri(uri)) == shown_uri(uri)
    assert shown_text(shown_text(text)) == shown_text(text)


def test_sources_that_differ_in_what_is_not_written_have_names_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "_real", {})
    sources = ["https://a:1@h/x", "https://b:2@h/x", "https://h/x?token=1", "https://h/x?token=2", "photos", "s3://b/x"]
    names = name_sources(sources)
    assert len(set(names)) == len(names) and names[-2:] == sources[-2:]
    assert [real(name) for name in names] == sources
    assert name_sources(names) == names == name_sources(sources)
    assert written({"sources": tuple(names)}) == {"sources": tuple(names)}
