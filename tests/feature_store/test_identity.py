"""Pseudonyms need their key, the key stays where it was put, and NHS numbers are judged."""

import hashlib
import hmac
import os
import stat

import nhs_number
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_store.errors import BadInput
from feature_store.identity import (
    Identity,
    NhsNumber,
    keyed_hash,
    make_key,
    nhs_number_kind,
    pseudonym,
    read_key,
)

SECRET = b"0123456789abcdef0123456789abcdef"


def names_in(folder):
    return [path.name for path in folder.iterdir()]


@given(st.text(max_size=64), st.binary(min_size=16, max_size=40))
def test_a_pseudonym_is_an_int64_that_another_key_or_purpose_changes(identifier, secret):
    identity = Identity(secret)
    number = identity.subject(identifier)
    assert 0 <= number < 2**63
    assert number == Identity(secret).subject(identifier)
    assert number != identity.spell(identifier)
    assert number != Identity(secret + b"x").subject(identifier)


def test_a_pseudonym_is_hmac_sha256_cut_to_63_bits():
    digest = hmac.new(SECRET, b"subject\0RXX|1234", hashlib.sha256).digest()
    assert pseudonym("RXX|1234", "subject", SECRET) == int.from_bytes(digest[:8], "big") % 2**63


def test_text_that_utf8_cannot_carry_has_a_pseudonym_too():
    assert pseudonym("\ud800", "subject", SECRET) != pseudonym("\ud801", "subject", SECRET)


def test_an_identity_never_shows_its_secret():
    assert "0123" not in repr(Identity(SECRET))


def test_a_secret_that_can_be_guessed_is_refused():
    with pytest.raises(BadInput, match="16 bytes or more expected, got 5"):
        Identity(b"short")


def test_a_key_is_made_for_its_owner_alone_and_read_back(tmp_path):
    path = tmp_path / "new" / "pseudonym.key"
    make_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(read_key(path)) == 64
    assert names_in(path.parent) == ["pseudonym.key"]


def test_a_key_is_never_overwritten(tmp_path):
    path = tmp_path / "pseudonym.key"
    make_key(path)
    before = path.read_bytes()
    with pytest.raises(BadInput, match="would orphan all data"):
        make_key(path)
    assert path.read_bytes() == before
    assert names_in(tmp_path) == ["pseudonym.key"]


def test_a_missing_key_is_refused_and_not_made(tmp_path):
    with pytest.raises(BadInput, match="homeward key makes one"):
        read_key(tmp_path / "misspelt.key")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(tmp_path, mode):
    path = tmp_path / "pseudonym.key"
    make_key(path)
    path.chmod(mode)
    with pytest.raises(BadInput, match="only its owner"):
        read_key(path)


def test_a_short_key_file_is_refused_without_being_quoted(tmp_path):
    path = tmp_path / "pseudonym.key"
    path.touch(mode=0o600)
    path.write_bytes(b"hunter2\n")
    with pytest.raises(BadInput) as refusal:
        read_key(path)
    assert "hunter2" not in str(refusal.value)


@given(st.integers(0, 10**10 - 1))
def test_the_nhs_number_library_and_the_nine_range_decide(number):
    text = f"{number:010d}"
    expected = NhsNumber.INVALID
    if nhs_number.is_valid(text):
        expected = NhsNumber.TEST if number >= 9_000_000_000 else NhsNumber.VALID
    assert nhs_number_kind(text) is expected
    assert nhs_number_kind(f"{text[:3]} {text[3:6]}-{text[6:]}") is expected


@pytest.mark.parametrize("text", ["9999999999", "9000000009", "999 000 0018"])
def test_the_nine_range_passes_the_check_digit_and_is_a_test_number_all_the_same(text):
    assert nhs_number_kind(text) is NhsNumber.TEST


@pytest.mark.parametrize("text", [None, "", "   "])
def test_nothing_is_missing_and_not_invalid(text):
    assert nhs_number_kind(text) is NhsNumber.MISSING


@given(st.text(max_size=20))
def test_no_text_breaks_the_check(text):
    assert nhs_number_kind(text) in NhsNumber


@pytest.mark.parametrize("secret", [16, 32, 63, 64, 65, 200])
@pytest.mark.parametrize("content", [0, 1, 55, 64, 1000])
def test_the_keyed_hash_is_the_standard_library_s(secret, content):
    key, said = os.urandom(secret), os.urandom(content)
    assert keyed_hash(key, said) == hmac.digest(key, said, "sha256")
