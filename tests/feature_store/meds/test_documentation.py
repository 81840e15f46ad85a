"""docs/meds.md names every key of a codebook, and its example is one."""

import re
from pathlib import Path

import msgspec

from feature_store.meds import codebook

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "meds.md"


def test_the_example_is_a_codebook_and_has_every_key(tmp_path):
    page = PAGE.read_text(encoding="utf-8")
    example = re.search(r"```toml\n(.*?)```", page, re.DOTALL)[1]
    (tmp_path / "book.toml").write_text(example, encoding="utf-8")
    codebook.read_codebook(tmp_path / "book.toml")
    for section in (codebook.Codebook, codebook.Columns, codebook.SpellCodes, codebook.Rule):
        for field in msgspec.structs.fields(section):
            name = field.encode_name
            assert f"{name} =" in page or f"`{name}`" in page or f"[{name}]" in page, name


def test_every_codebook_in_the_repository_can_be_read():
    every = sorted((ROOT / "codebooks").glob("*.toml"))
    found = [path for path in every if not path.name.startswith("adt_")]  # those are of ADT feeds
    assert [codebook.read_codebook(path)[0].name for path in found]
