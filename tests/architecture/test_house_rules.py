"""The house rules find what they are for, and leave the rest in peace."""

from pathlib import Path

import pytest

from tools.house_rules import main, offences_in


def rules_broken(source: str) -> list[str]:
    """Return the rules that a piece of code breaks."""
    return [offence.rule for offence in offences_in(Path("code.py"), source)]


@pytest.mark.parametrize(
    "source",
    [
        "log.info('admitted %s', spell_row.subject_id)",
        "logger.warning(f'odd {value}')",
        "logging.exception('failed', extra={'request': request.url})",
        "self._log.debug('%s', events[0])",
        "logging.getLogger(__name__).error('%r', row)",
    ],
)
def test_a_value_in_a_log_is_found(source):
    assert rules_broken(source) == ["value-in-log"]


@pytest.mark.parametrize(
    "source",
    [
        "raise ValueError(f'age expected, got {value}')",
        "raise BadInput('age expected, got ' + value)",
        "raise BadInput('age expected, got %s' % row['age'])",
        "raise KeyError('no spell {}'.format(event.spell_id))",
        "msg = f'{record} is odd'\nraise BadInput(msg)",
        "problem = errors.Refused([f'{patient.age} is out of scope'])",
    ],
)
def test_a_value_in_an_error_is_found(source):
    assert "value-in-error" in rules_broken(source)


@pytest.mark.parametrize(
    "source",
    ["row.get('age', 40)", "self.record.get('age', default=40)", "events[0].get('code', '')"],
)
def test_a_default_for_a_missing_fact_is_found(source):
    assert rules_broken(source) == ["default-on-record"]


@pytest.mark.parametrize(
    "source",
    [
        "log.info('%d rows of %s', len(rows), type(value).__name__)",
        "log.info('%s', events.shape)",
        "raise BadInput(f'row {row_number}: a number expected, a {type(value).__name__} found')",
        "raise BadInput(f'{column}: expected one of {allowed}')",
        "row.get('age')",
        "settings.get('port', 8000)",
        "request.headers.get('accept', '')",
        "text = f'{value}'",
        "return_value(value)",
    ],
)
def test_counts_kinds_and_positions_may_be_told(source):
    assert rules_broken(source) == []


def test_an_escape_needs_the_rule_and_a_reason():
    code = "log.info('%s', value)  # house: allow {}"
    assert rules_broken(code.format("value-in-log - a setting, not a patient's")) == []
    assert rules_broken(code.format("value-in-log")) == ["value-in-log"]
    assert rules_broken(code.format("value-in-error - wrong rule")) == ["value-in-log"]


def test_the_command_names_file_line_and_rule_and_fails(tmp_path, capsys):
    (tmp_path / "leak.py").write_text("import logging\n\nlogging.info('%s', row)\n")
    assert main([str(tmp_path)]) == 1
    assert f"{tmp_path}/leak.py:3: value-in-log: row" in capsys.readouterr().out
    (tmp_path / "leak.py").write_text("")
    assert main([str(tmp_path)]) == 0
