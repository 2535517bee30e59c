"""Every YAML file that people write is read in one way: a key given twice is refused, with its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from surfalign.errors import ConfigurationError
from surfalign.launchers.cli.learn import sources
from surfalign.launchers.cluster.profiles import load_profile
from surfalign.launchers.explore.configuration import read_configuration
from surfalign.ml.properties.declarations import read_declarations
from surfalign.settings import load_settings
from surfalign.stores.measured.registration import read_entries
from surfalign.stores.measured.templates import find_template
from surfalign.stores.screening.rules import load_rule


def settings(path: Path) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SURFALIGN_CONFIG_FILE", str(path))
        return load_settings()


def learner_plan(path: Path) -> Any:
    return sources.recipe("mean", path, None, 0, 1)


def changed_value(path: Path) -> Any:
    return sources.recipe("mean", None, ["twice={a: 1, a: 2}"], 0, 1)


@pytest.mark.parametrize(
    "read",
    [
        read_configuration,
        lambda path: load_rule(str(path)),
        lambda path: load_profile(str(path)),
        settings,
        read_declarations,
        read_entries,
        lambda path: find_template("mine", load_settings(template_directory=path.parent)),
        learner_plan,
        changed_value,
    ],
    ids=[
        "loop",
        "rule",
        "profile",
        "settings",
        "properties",
        "entry",
        "template",
        "learner",
        "set",
    ],
)
def test_a_key_given_twice_is_refused(read: Callable[[Path], Any], tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("cores: 1\na: 1\ncores: 2\n")
    with pytest.raises(ConfigurationError, match=r"key '(cores|a)' twice") as refused:
        read(path)
    assert refused.value.expected == "each key once"
    assert refused.value.remedy
