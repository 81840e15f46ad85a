"""Identifiers: shapes, pseudonyms, and identifiers of our own."""

import stat
import time
import uuid
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from feature_store.errors import BadInput
from service.identifiers import (
    Pseudonyms,
    looks_like_nhs_number,
    new_score_id,
    pseudonym_secret,
    request_id_from,
)


@given(st.integers(0, 10**9 - 1))
def test_of_the_ten_check_digits_at_most_one_makes_an_nhs_number(first_nine):
    digits = f"{first_nine:09d}"
    valid = [digit for digit in "0123456789" if looks_like_nhs_number(digits + digit)]
    total = sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=True))
    assert valid == ([] if total % 11 == 1 else [str(-total % 11)])


@given(st.text(max_size=20))
def test_any_text_can_be_asked_about(text):
    assume(not text.isdecimal())
    looks_like_nhs_number(text)


def test_score_ids_differ_and_sort_by_time():
    first = new_score_id()
    time.sleep(0.002)
    later = [new_score_id() for _ in range(1000)]
    assert len(set(later)) == 1000
    assert all(first < one for one in later)
    told = uuid.UUID(later[0])
    assert (told.version, told.variant) == (7, uuid.RFC_4122)
    assert abs((told.int >> 80) / 1000 - time.time()) < 60


@pytest.mark.parametrize("sent", ["a", "7f2c9a4e-5b1d", "A" * 128])
def test_a_safe_request_id_is_kept(sent):
    assert request_id_from(sent) == sent


@pytest.mark.parametrize("sent", ["", "A" * 129, "a b", "a\nb", "Zoë", "9434765919", "x;y", "a/b"])
def test_any_other_is_replaced(sent):
    made = request_id_from(sent)
    assert made != sent
    assert request_id_from(made) == made


def test_pseudonyms_are_stable_and_keyed(settings):
    one, again = (Pseudonyms(pseudonym_secret(settings)) for _ in range(2))
    other = Pseudonyms(b"another key of at least 32 bytes....")
    assert one.spell("S1") == again.spell("S1") != other.spell("S1")
    assert one.fingerprint(b"S1") == again.fingerprint(b"S1") != other.fingerprint(b"S1")


def test_the_key_is_its_owners_alone_and_nothing_is_left_beside_it(settings):
    pseudonym_secret(settings)
    (only,) = settings.var.iterdir()
    assert stat.S_IMODE(only.stat().st_mode) == 0o600


def test_a_key_that_was_named_is_never_made_in_passing(settings, tmp_path):
    named = replace(settings, pseudonym_key_file=tmp_path / "misspelt.key")
    with pytest.raises(BadInput, match=r"misspelt\.key"):
        pseudonym_secret(named)
    assert not (tmp_path / "misspelt.key").exists()


def test_a_key_that_is_too_short_or_not_readable_stops_the_start(settings, tmp_path):
    short = tmp_path / "short.key"
    short.write_text("hunter2")
    short.chmod(0o600)
    with pytest.raises(BadInput, match="bytes or more expected") as caught:
        pseudonym_secret(replace(settings, pseudonym_key_file=short))
    assert "hunter2" not in str(caught.value)
    (settings.var).write_text("a file where a folder should be")
    with pytest.raises(BadInput, match="cannot be read"):
        pseudonym_secret(settings)
