from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from surfalign.errors import ConfigurationError
from surfalign.launchers.cli.main import app
from surfalign.launchers.cli.options import parse_options


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
        ("gpaw", "hubbard_u=on", "no option hubbard_u"),
        ("vasp", "spin_orbit=maybe", "spin_orbit is 'maybe'"),
    ],
)
def test_run_hands_options_to_the_engine(engine: str, option: str, message: str) -> None:
    result = CliRunner().invoke(app, ["run", "MgO", "--engine", engine, "--option", option])
    assert isinstance(result.exception, ConfigurationError)
    assert message in str(result.exception)


def test_submit_refuses_an_unknown_option_before_anything_else(tmp_path: Path) -> None:
    profile = tmp_path / "cluster.yaml"
    content = {
        "launcher": "fireworks",
        # Nothing answers there: the option is looked at first.
        "database": {"uri": "mongodb://127.0.0.1:9/"},
        "clusters": {"local": {"work_directory": str(tmp_path)}},
        "queues": {"cpu": {"partition": "cpu"}},
    }
    profile.write_text(yaml.safe_dump(content))
    for engine, option, message in (
        ("gpaw", "hubbard_u=on", "no option hubbard_u"),
        ("vasp", "spin_orbital=on", "spin_orbital"),
        ("vasp", "spin_orbit=maybe", "spin_orbit is 'maybe'"),
        ("vasp", "spin_orbit", "no option of an engine"),
    ):
        arguments = ["submit", "MgO", "--profile", str(profile), "--engine", engine]
        result = CliRunner().invoke(app, [*arguments, "--option", option])
        assert isinstance(result.exception, ConfigurationError), result.output
        assert message in str(result.exception)
