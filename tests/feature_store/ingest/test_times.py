"""Times: formats, offsets, the two nights the clocks change, dates, lengths in days."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_store.clock import to_microseconds, to_moment
from feature_store.events import NO_TIME
from feature_store.ingest.zones import to_utc
from feature_store.manifest import Clock
from feature_store.spells import find_spells

MAPPING = """\
name = "bench"
[time]
format = "{format}"
ambiguous = "{ambiguous}"
nonexistent = "{nonexistent}"
[keys]
keep = ["subject", "spell"]
[table.spells]
subject = "patient"
spell = "spell"
[spells]
start = "start"
end = "end"
"""


def mapping(form="iso", ambiguous="first", nonexistent="forward"):
    """Return a mapping whose spells have a start and an end."""
    return MAPPING.format(format=form, ambiguous=ambiguous, nonexistent=nonexistent)


def span(bench, start, end="", **rules):
    """Return start and end of the one spell, as UTC text."""
    dataset = bench.run(mapping(**rules), spells=f"patient,spell,start,end\n1,1,{start},{end}\n")
    spells = find_spells(dataset.read())
    moments = [spells.start[0]] + ([spells.end[0]] if spells.ended[0] else [])
    return [to_moment(int(moment)).isoformat() for moment in moments]


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("iso", "2026-01-31 21:40", "2026-01-31T21:40:00+00:00"),
        ("iso", "2026-01-31T21:40:05", "2026-01-31T21:40:05+00:00"),
        ("iso", "2026-07-01 21:40:05.5", "2026-07-01T20:40:05.500000+00:00"),
        ("iso", "2026-07-01 21:40:05.1234567", "2026-07-01T20:40:05.123456+00:00"),
        ("iso", "2026-07-01T21:40:00Z", "2026-07-01T21:40:00+00:00"),
        ("iso", "2026-07-01T21:40:00+02:00", "2026-07-01T19:40:00+00:00"),
        ("iso", "2026-07-01 21:40:00.25-0530", "2026-07-02T03:10:00.250000+00:00"),
        ("iso", "2026-07-01 21:40:00+01", "2026-07-01T20:40:00+00:00"),
        ("%d/%m/%Y %H:%M", "01/07/2026 21:40", "2026-07-01T20:40:00+00:00"),
        ("%Y%m%d %H:%M:%S", "20260131 21:40:00", "2026-01-31T21:40:00+00:00"),
        ("%d-%b-%Y %I:%M %p", "01-JUL-2026 09:40 PM", "2026-07-01T20:40:00+00:00"),
        ("%d/%m/%Y", "31/01/2026", "2026-01-31T12:00:00+00:00"),
        ("iso_date", "2026-07-01", "2026-07-01T11:00:00+00:00"),
    ],
)
def test_times_are_read_in_their_format_and_kept_in_utc(bench, form, text, expected):
    assert span(bench, text, form=form) == [expected]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("iso", "2026-02-30 10:00"),
        ("iso", "2026-01-31 25:00"),
        ("iso", "2026-01-31"),
        ("iso", "31/01/2026 10:00"),
        ("iso", "2026-01-31 10:00 or so"),
        ("iso", "yesterday"),
        ("iso", "46023.5"),
        ("%d/%m/%Y", "01/13/2026"),
    ],
)
def test_a_time_that_is_none_is_a_bad_row(bench, form, text):
    message = bench.refusal(mapping(form=form), spells=f"patient,spell,start,end\n1,1,{text},\n")
    assert "spells.csv: row 2, column start:" in message
    assert text not in message


@pytest.mark.parametrize("year", ["0026", "1066", "1969", "2101", "9999"])
def test_an_absurd_year_is_a_bad_row(bench, year):
    message = bench.refusal(mapping(), spells=f"patient,spell,start,end\n1,1,{year}-03-01 10:00,\n")
    assert "a year from 1970 to 2100 expected" in message


def test_a_format_that_does_not_exist_is_told(bench):
    message = bench.refusal(mapping(form="%Q"), spells="patient,spell,start,end\n1,1,a,\n")
    assert "strptime" in message


# ---- the nights the clocks change in London: 29 March and 25 October 2026 -----------------------


@pytest.mark.parametrize(("ambiguous", "expected"), [("first", "00:30"), ("second", "01:30")])
def test_an_hour_that_happens_twice_means_what_the_mapping_says(bench, ambiguous, expected):
    assert span(bench, "2026-10-25 01:30", ambiguous=ambiguous) == [
        f"2026-10-25T{expected}:00+00:00"
    ]


def test_an_hour_that_happens_twice_may_be_refused(bench):
    spells = "patient,spell,start,end\n1,1,2026-10-25 01:30,\n"
    assert "happens once expected" in bench.refusal(mapping(ambiguous="bad"), spells=spells)


def test_an_end_in_the_hour_that_happens_twice_comes_after_its_start(bench):
    # Admitted 01:50 summer time, left 01:10 winter time, twenty minutes later.
    assert span(bench, "2026-10-25 01:50", "2026-10-25 01:10") == [
        "2026-10-25T00:50:00+00:00",
        "2026-10-25T01:10:00+00:00",
    ]


def test_an_hour_that_the_clocks_skip_is_read_with_the_offset_before(bench):
    assert span(bench, "2026-03-29 01:30") == ["2026-03-29T01:30:00+00:00"]


def test_an_hour_that_the_clocks_skip_may_be_refused(bench):
    spells = "patient,spell,start,end\n1,1,2026-03-29 01:30,\n"
    assert "the clocks skip" in bench.refusal(mapping(nonexistent="bad"), spells=spells)


@given(
    seconds=st.integers(0, 2**31),
    zone=st.sampled_from(
        ["Europe/London", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "UTC"]
    ),
)
def test_local_times_agree_with_the_standard_library(seconds, zone):
    moment = datetime.fromtimestamp(seconds, UTC)
    local = moment.astimezone(ZoneInfo(zone))
    wall = to_microseconds(local.replace(tzinfo=UTC, fold=0))
    first, second, nonexistent = to_utc(np.array([wall, NO_TIME]), zone)
    assert to_microseconds(moment) in (first[0], second[0])
    assert to_microseconds(local.replace(fold=0)) == first[0]
    assert to_microseconds(local.replace(fold=1)) == second[0]
    assert not nonexistent.any()
    assert first[1] == second[1] == NO_TIME


# ---- dates, lengths, order ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        ("2026-01-31", "2026-01-31", 0),
        ("2026-03-28", "2026-03-29", 1),
        ("2026-03-28", "2026-10-26", 212),
        ("2023-12-31", "2024-03-01", 61),
    ],
)
def test_between_dates_lie_the_midnights_of_the_calendar(bench, start, end, days):
    dataset = bench.run(
        mapping(form="iso_date"), spells=f"patient,spell,start,end\n1,1,{start},{end}\n"
    )
    assert find_spells(dataset.read()).length_of_stay_days.tolist() == [days]
    assert dataset.manifest.clock is Clock.DAYS
    (told,) = bench.told(dataset, family="SPELL_END")
    assert told[3] == days


def test_a_date_may_end_what_a_time_began(bench):
    text = mapping().replace('end = "end"', 'end = { column = "end", format = "iso_date" }')
    dataset = bench.run(text, spells="patient,spell,start,end\n1,1,2026-01-05 15:00,2026-01-05\n")
    assert find_spells(dataset.read()).length_of_stay_days.tolist() == [0]
    assert dataset.manifest.clock is Clock.DAYS


@pytest.mark.parametrize("start", ["2026-03-28 23:30", "2026-10-24 00:10", "2026-06-01 10:00"])
def test_a_length_in_days_is_so_many_midnights(bench, start):
    text = mapping().replace('end = "end"', 'days = "days"')
    dataset = bench.run(text, spells=f"patient,spell,start,days\n1,1,{start},3\n2,2,{start},\n")
    assert sorted(find_spells(dataset.read()).length_of_stay_days.tolist()) == [-1, 3]
    assert dataset.manifest.counts["open_spells"] == 1


def test_a_date_and_a_time_of_day_may_stand_in_two_columns(bench):
    text = mapping().replace('start = "start"', 'start = { column = ["day", "hour"] }')
    spells = "patient,spell,day,hour,end\n1,1,2026-07-01,21:40,\n"
    assert find_spells(bench.run(text, spells=spells).read()).start[0] == to_microseconds(
        datetime(2026, 7, 1, 20, 40, tzinfo=UTC)
    )
    half = "patient,spell,day,hour,end\n1,1,2026-07-01,,\n"
    assert "column day + hour" in bench.refusal(text, spells=half)


def test_times_of_parquet_need_no_format(bench, tmp_path):
    moment = datetime(2026, 7, 1, 20, 40, tzinfo=UTC)
    table = pa.table(
        {
            "patient": [1, 2],
            "spell": [1, 2],
            "start": pa.array([moment, moment], pa.timestamp("ns", "Europe/London")),
            "end": pa.array([datetime(2026, 7, 3, 9, 0), None], pa.timestamp("ms")),  # noqa: DTZ001
        }
    )
    pq.write_table(table, tmp_path / "spells.parquet")
    dataset = bench.run(mapping(form="%d/%m/%Y %H:%M"), spells=tmp_path / "spells.parquet")
    spells = find_spells(dataset.read())
    assert spells.start.tolist() == [to_microseconds(moment)] * 2
    assert to_moment(int(spells.end[0])) == datetime(2026, 7, 3, 8, 0, tzinfo=UTC)


def test_dates_of_parquet_are_dates(bench, tmp_path):
    days = pa.array([datetime(2026, 7, 1), datetime(2026, 7, 4)], pa.date32())  # noqa: DTZ001
    table = pa.table({"patient": [1], "spell": [1], "start": days[:1], "end": days[1:]})
    pq.write_table(table, tmp_path / "spells.parquet")
    dataset = bench.run(mapping(form="%d/%m/%Y"), spells=tmp_path / "spells.parquet")
    assert find_spells(dataset.read()).length_of_stay_days.tolist() == [3]


# ---- order only ---------------------------------------------------------------------------------

ORDER = """\
name = "bench"
complete = true
[keys]
keep = ["subject", "spell"]
[table.spells]
subject = "patient"
spell = "spell"
[spells]
order = "place"
days = "days"
"""


@given(
    spells=st.lists(
        st.tuples(st.integers(1, 5), st.integers(0, 30), st.integers(-50, 50)),
        min_size=1,
        max_size=60,
    )
)
def test_an_invented_calendar_keeps_order_lengths_and_one_spell_at_a_time(spells):
    from feature_store.ingest.calendar import invent_starts

    patient, days, place = (np.array(column, np.int64) for column in zip(*spells, strict=True))
    keys = np.arange(len(spells))
    start = invent_starts(place.astype(float), patient, keys, days)
    in_order = np.lexsort((keys, place))
    assert (np.diff(start[in_order]) >= 0).all()
    for one in np.unique(patient):
        mine = in_order[patient[in_order] == one]
        end = start[mine] + days[mine] * 86_400_000_000
        assert (start[mine][1:] > end[:-1] + 3_600_000_000).all()


def test_an_order_without_dates_makes_a_dataset_of_order(bench):
    spells = "patient,spell,place,days\n1,1,30,4\n2,2,10,2\n1,3,20,14\n"
    dataset = bench.run(ORDER, spells=spells)
    manifest = dataset.manifest
    assert manifest.clock is Clock.ORDER
    assert "invented" in manifest.settings["calendar"]
    found = find_spells(dataset.read())
    assert found.length_of_stay_days.tolist() == [4, 2, 14]
    assert np.argsort(found.start, kind="stable").tolist() == [1, 2, 0]
    last_end = int(found.end.max())
    assert manifest.until == last_end + 366 * 86_400_000_000


def test_an_order_patient_by_patient_is_no_order(bench):
    rows = "".join(f"1,{n},{n},3660\n" for n in range(20))
    text = bench.refusal(ORDER, spells=f"patient,spell,place,days\n{rows}")
    assert "one patient after another" in text


def test_a_complete_extract_needs_no_end_of_the_data(bench):
    from feature_store.errors import BadInput

    moment = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(BadInput, match="every spell has ended"):
        bench.run(ORDER, observed_until=moment, spells="patient,spell,place,days\n1,1,1,1\n")
