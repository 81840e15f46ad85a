"""Whatever a mapping says, what belongs to the end of a spell is no feature of that spell.

Mappings are drawn at random: any outcome family, under any promise of when it is known, timed by
any column. Either the mapping is refused, or what it brings changes no feature before the end.
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_store.automatic import derive_features
from feature_store.compute import compute_features
from feature_store.definitions import Feature, Read, Scope
from feature_store.errors import BadInput
from feature_store.snapshots import daily_snapshots
from feature_store.spells import find_spells
from feature_store.vocabulary import FAMILIES, OUTCOME_FAMILIES, Shape, family_of

HEAD = """\
name = "bench"
[keys]
keep = ["subject", "spell"]
[table.spells]
file = "spells*"
subject = "patient"
spell = "spell"
[spells]
table = "spells"
start = "start"
end = "end"
[fact.score]
code = "LOCAL"
number = "score"
known = "admission"
"""
PATIENTS = 60


def rows():
    """Two stays a patient; every outcome column tells the length of the stay."""
    chance = np.random.default_rng(3)
    yield "patient,spell,start,end,score,early,late,word,days"
    for patient in range(PATIENTS):
        for turn in range(2):
            start = np.datetime64("2026-01-01T10:00") + np.timedelta64(
                patient * 7 + turn * 700, "h"
            )
            days = int(chance.integers(1, 20))
            end = start + np.timedelta64(days * 24 + 3, "h")
            early = start + np.timedelta64(1, "h")
            cells = (patient, patient * 2 + turn, start, end, days % 7, early, end, days % 3, days)
            yield ",".join(map(str, cells))


TEXT = "\n".join(rows()) + "\n"


def fact(label, family, known, time, word):
    """One fact of a mapping, perhaps one that will be refused."""
    told = FAMILIES[family]
    value = next(iter(told.values), "X")
    lines = [f"[fact.{label}]"]
    if told.shape is Shape.VALUE:
        lines.append(f'code = "{family}//{{word}}"' if word else f'code = "{family}//{value}"')
        lines.append(f'values = {{ 0 = "{value}", 1 = "{value}", 2 = "{value}" }}' if word else "")
    else:
        lines.append(f'code = "{family}"')
    lines.append('number = "days"' if told.shape is Shape.NUMBER else "")
    lines.append(f'known = "{known}"' if known else "")
    lines.append(f'time = "{time}"' if time else "")
    return "\n".join(filter(None, lines)) + "\n"


KNOWN = ("", "admission", "own_time", "after_discharge", "recorded:early", "recorded:late")
FACTS = st.lists(
    st.tuples(
        st.sampled_from(sorted(OUTCOME_FAMILIES - {"SPELL_END"})),
        st.sampled_from(KNOWN),
        st.sampled_from(["", "start", "early", "late", "end"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=2,
)


@given(told=FACTS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_mappings_bring_no_outcome_into_a_feature_of_its_own_spell(bench, told):
    mapping = HEAD + "".join(fact(f"f{at}", *one) for at, one in enumerate(told))
    try:
        dataset = bench.run(mapping, spells=TEXT)
    except BadInput:
        return
    with_outcomes, without = dataset.read(), bench.run(HEAD, spells=TEXT).read()
    spells = find_spells(with_outcomes)
    asked = daily_snapshots(spells, until=dataset.manifest.until)
    features = derive_features(with_outcomes, asked)
    own = [at for at, feature in enumerate(features.features) if feature.scope is not Scope.HISTORY]
    assert (
        not {family_of(code) for at in own for code in features.features[at].codes}
        & OUTCOME_FAMILIES
    )
    # And none comes in by another name: the same numbers as from an extract without them.
    chosen = features.take(own)
    np.testing.assert_array_equal(
        compute_features(with_outcomes, asked, chosen), compute_features(without, asked, chosen)
    )


@pytest.mark.parametrize("family", sorted(OUTCOME_FAMILIES))
@pytest.mark.parametrize("scope", [Scope.SPELL, Scope.ANY])
def test_no_feature_of_an_outcome_can_be_declared(family, scope):
    for code in (family, f"{family}//x"):
        with pytest.raises(BadInput, match="can only be read from earlier spells"):
            Feature(name="x", label="x", read=Read.LATEST, codes=(code,), scope=scope)
