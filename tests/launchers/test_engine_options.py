from __future__ import annotations

import pytest
from typer.testing import CliRunner

from surfalign.errors import ConfigurationError
from surfalign.launchers.cli.engine_options import parse_options
from surfalign.launchers.cli.main import app


def test_truth_values_and_texts() -> None:
    assert parse_options(["hubbard_u=true", "spin_orbit = heavy", "self_consistent=no"]) == {
        "hubbard_u": True,
        "spin_orbit": "heavy",
        "self_consistent": False,
    }
    assert parse_options([]) == {}


@pytest.mark.parametrize("texts", [["spin_orbit"], ["=on"], ["a="], ["a b=1"], ["a=1", "a=2"]])
def test_what_is_no_option_is_refused(texts: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="no option of an engine"):
        parse_options(texts)


@pytest.mark.parametrize(
    ("engine", "option", "message"),
    [
        ("gpaw", "spin_orbit=on", "no option spin_orbit"),
        ("vasp", "spin_orbit=maybe", "spin_orbit is 'maybe'"),
    ],
)
def test_run_hands_options_to_the_engine(engine: str, option: str, message: str) -> None:
    result = CliRunner().invoke(app, ["run", "MgO", "--engine", engine, "--option", option])
    assert isinstance(result.exception, ConfigurationError)
    assert message in str(result.exception)
