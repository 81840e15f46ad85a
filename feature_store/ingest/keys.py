"""Keys of an extract to the integers of a dataset: kept, or hashed with a secret.

The pseudonyms are those of :mod:`feature_store.identity`: an extract and a live feed of one
hospital, hashed with one secret, speak of the same patients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feature_store.errors import BadInput
from feature_store.identity import What, check_secret, pseudonym
from feature_store.ingest.faults import Fault
from feature_store.ingest.rows import is_null, texts_at

if TYPE_CHECKING:
    from feature_store.events import Int64
    from feature_store.ingest.faults import Faults
    from feature_store.ingest.mapping import Keys
    from feature_store.ingest.rows import Mask, Rows

NO_KEY: Final = -1

_WHOLE = r"^(0|[1-9]\d{0,17})$"
_TEN_DIGITS = 10**9
_FEWEST_NHS_NUMBERS = 3
_MOST = 0.9


def are_nhs_numbers(keys: Int64) -> bool:
    """Whether nearly all of some keys are ten digits with the check digit of an NHS number.

    One in eleven of any ten-digit numbers has it by chance; nine in ten of at least
    three different ones do not.

    References
    ----------
    NHS Data Dictionary, NHS NUMBER (attribute): weights 10 to 2, modulus 11.

    >>> are_nhs_numbers(np.array([9434765919, 9990000018, 9990000026]))
    True
    """
    keys = np.unique(keys[keys >= 0])
    digits = keys[:, None] // 10 ** np.arange(9, -1, -1) % 10
    check = (11 - digits[:, :9] @ np.arange(10, 1, -1) % 11) % 11
    fitting = (keys >= _TEN_DIGITS) & (keys < 10 * _TEN_DIGITS) & (check == digits[:, 9])
    return keys.size >= _FEWEST_NHS_NUMBERS and bool(fitting.mean() >= _MOST)


@dataclass(frozen=True, slots=True)
class KeyReader:
    """Reads the key columns of an extract.

    Parameters
    ----------
    rules : Keys
    secret : bytes
    """

    rules: Keys
    secret: bytes

    def __post_init__(self) -> None:
        """Refuse a secret that can be guessed."""
        check_secret(self.secret)

    def read(self, rows: Rows, column: str, what: What, faults: Faults) -> tuple[Int64, Mask]:
        """Integers of a key column.

        Returns
        -------
        ndarray of int64, shape (n,)
            ``NO_KEY`` where bad.
        ndarray of bool, shape (n,)
            Where the cell is missing, or is no whole number and should be kept.
        """
        text = rows.columns[column]
        for sign in self.rules.remove:
            text = pc.replace_substring(text, sign, "")
        bad = is_null(text)
        nothing = Fault(rows.file, column, f"a {what} key", "nothing")
        faults.add(nothing, rows.numbers[bad])
        if what not in self.rules.keep:
            return self._hashed(text, what), bad
        whole = pc.fill_null(pc.match_substring_regex(text, _WHOLE), False)  # noqa: FBT003
        odd = ~np.asarray(whole.to_numpy(zero_copy_only=False)) & ~bad
        expected = f"a {what} key that is a whole number without leading zeros"
        faults.add_found((rows.file, column, expected), rows.numbers[odd], texts_at(text, odd))
        kept = pc.if_else(whole, text, pa.scalar(str(NO_KEY))).cast(pa.int64())
        numbers = np.asarray(kept.to_numpy(), np.int64)
        if are_nhs_numbers(numbers):
            file = rows.file
            msg = (
                f"{file}: column {column}: a key without meaning expected, found what look "
                f'like NHS numbers; take "{what}" out of keep in [keys]'
            )
            raise BadInput(msg)
        return numbers, bad | odd

    def _hashed(self, text: pa.Array, what: What) -> Int64:
        encoded = text.dictionary_encode()
        table = [pseudonym(key, what, self.secret) for key in encoded.dictionary.to_pylist()]
        index = pc.fill_null(encoded.indices, len(table)).to_numpy(zero_copy_only=False)
        return np.array([*table, NO_KEY], np.int64)[np.asarray(index, np.intp)]
