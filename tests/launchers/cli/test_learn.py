"""``surfalign learn``: the commands, their files, and their errors."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from learning_data import ANIONS, rocksalt_slab, slab_entries, toy_dataset, write_slab_file
from stored_results import failed_result, passed_result, store
from typer.testing import CliRunner, Result

from surfalign.errors import (
    ConfigurationError,
    DamagedFileError,
    EmptyDatasetError,
    LearnerError,
    MissingFileError,
    ModelNotFoundError,
    SurfaceError,
)
from surfalign.launchers.cli.learn import sources
from surfalign.launchers.cli.main import app
from surfalign.ml.data.datasets import read_dataset
from surfalign.ml.models.model_registry import ModelRegistry
from surfalign.stores.database import Database

DATASETS = Path(__file__).parents[3] / "docs/datasets"
FAST = ("--kind", "composition", "--set", "n_estimators=20")


def invoke(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["learn", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory of this test, with a file of slabs in it."""
    monkeypatch.setenv("SURFALIGN_DATA_DIRECTORY", str(tmp_path))
    write_slab_file(slab_entries(toy_dataset(40, noise=0.2)), tmp_path / "slabs.json.gz")
    return tmp_path


@pytest.fixture
def trained(folder: Path) -> Path:
    invoke("train", "--slabs", folder / "slabs.json.gz", "--model", "toy", *FAST)
    return folder


def predictions(folder: Path, *arguments: object) -> list[dict[str, Any]]:
    target = folder / "predictions.json"
    invoke("predict", *arguments, "--json", target)
    found: list[dict[str, Any]] = json.loads(target.read_text())
    return found


def test_slabs_are_predicted_in_the_order_of_the_file(trained: Path) -> None:
    entries = [{k: e[k] for k in ("name", "initial")} for e in slab_entries(toy_dataset(6))]
    entries.append({"name": "strange", "initial": rocksalt_slab("La", "N").as_dict()})
    found = predictions(trained, "--slabs", write_slab_file(entries, trained / "new.json.gz"))
    assert [one["name"] for one in found] == [entry["name"] for entry in entries]
    for one in found:
        for name in ("ionization_potential", "electron_affinity"):
            low, high = one["interval_90"][name]
            assert low < one[name] < high
    assert [one["in_domain"] for one in found][-1] is False
    assert found[-1]["unknown_elements"] == ["La", "N"]
    labels = {r.name: r.value("ionization_potential") for r in toy_dataset(6).records}
    errors = [abs(o["ionization_potential"] - labels[o["name"]]) for o in found[:-1]]
    assert max(errors) < 1.0


def test_the_surfaces_of_a_crystal_are_predicted(trained: Path) -> None:
    found = predictions(trained, "MgO", "--hkl", "1,0,0", "--model", "toy")
    assert [one["name"] for one in found] == ["MgO(100)-A"]
    assert found[0]["miller_index"] == [1, 0, 0]
    shown = invoke("predict", "MgO", "--hkl", "1,0,0").output
    assert "MgO(100)-A" in shown
    with pytest.raises(SurfaceError, match="is polar"):
        invoke("predict", "ZnO", "--hkl", "0,0,1")


def test_too_few_data_give_no_interval(folder: Path) -> None:
    slabs = write_slab_file(slab_entries(toy_dataset(4)), folder / "few.json.gz")
    invoke("train", "--slabs", slabs, "--model", "few", *FAST)
    (found,) = predictions(folder, "MgO", "--hkl", "1,0,0")
    assert found["interval_90"]["ionization_potential"] == [None, None]
    assert "too few data" in invoke("predict", "MgO", "--hkl", "1,0,0").output


def test_versions_and_rollback(trained: Path) -> None:
    slabs = trained / "slabs.json.gz"
    invoke("train", "--slabs", slabs, "--model", "toy", *FAST, "--set", "max_depth=2")
    cards = json.loads(invoke("models", "toy", "--json").output)
    assert [card["champion"] for card in cards] == [False, True]
    assert cards[1]["configuration"]["max_depth"] == 2
    assert cards[0]["dataset"]["surfaces"] == 40
    assert "predicts with 0001-" in invoke("rollback", "toy").output
    assert "0001-" in invoke("models").output
    again = invoke("retrain", "--slabs", slabs, "--model", "toy", *FAST, "--json")
    outcome = json.loads(again.stdout)
    assert outcome["verdict"].startswith("not trained")
    assert read_dataset(Path(outcome["dataset"])).digest == cards[0]["dataset"]["digest"]
    assert "not trained" in Path(outcome["report"]).read_text()


def test_evaluation_and_its_figure(trained: Path) -> None:
    slabs, target = trained / "slabs.json.gz", trained / "errors.json"
    shown = invoke(
        "evaluate", "--slabs", slabs, "--json", target, "--figure", trained / "parity.png"
    ).output
    assert "ionization_potential" in shown
    assert (trained / "parity.png").read_bytes().startswith(b"\x89PNG")
    written = json.loads(target.read_text())
    assert written["summary"]["electron_affinity"]["n"] == 40
    assert len(written["surfaces"]) == 80
    assert json.loads(invoke("evaluate", "--slabs", slabs, "--json", "-").stdout) == written
    invoke("evaluate", "--slabs", slabs, "--split", "chemical-system", *FAST, "--json", target)
    written = json.loads(target.read_text())
    assert 0.7 <= written["summary"]["ionization_potential"]["coverage"] <= 1.0


def test_a_model_is_scored_on_formulas_that_it_never_saw(folder: Path) -> None:
    entries = slab_entries(toy_dataset(60, noise=0.2))
    old = write_slab_file(entries[:40], folder / "old.json.gz")
    new = write_slab_file(entries[30:], folder / "new.json.gz")
    frozen = folder / "new.dataset.json.gz"
    invoke("train", "--slabs", old, "--model", "toy", *FAST)
    invoke("freeze", "--slabs", new, "-o", frozen)
    target, figure = folder / "score.json", folder / "score.png"
    result = invoke("score", "toy", new, "--json", target, "--figure", figure)
    plain = json.loads(target.read_text())
    seen = plain["formulas_left_out_because_learned_from"]
    assert len(seen) == 10
    assert f"learned from them: {', '.join(seen)}" in result.stderr
    errors = plain["summary"]["ionization_potential"]
    assert (errors["n"], errors["n_formulas"]) == (20, 20)
    for name in ("mae", "rmse", "r2", "bias", "coverage", "mean_width"):
        low, high = errors[f"{name}_interval"]
        assert low <= errors[name] <= high
    by_anion = plain["by_anion"]["electron_affinity"]
    assert {anion: errors["n"] for anion, errors in by_anion.items()} == dict.fromkeys(ANIONS, 5)
    assert "O" in plain["by_element"]["ionization_potential"]
    assert "By anion" in result.stdout
    assert figure.read_bytes().startswith(b"\x89PNG")
    again = json.loads(invoke("score", "toy", frozen, "--json", "-").stdout)
    assert again == plain
    with pytest.raises(LearnerError, match="has learned from all 40 formulas"):
        invoke("score", "toy", old)
    with pytest.raises(MissingFileError, match="does not exist"):
        invoke("score", "toy", folder / "absent.json")


def test_results_of_a_file_such_as_the_open_data_set_are_learned_from_and_scored_on(
    folder: Path,
) -> None:
    data = DATASETS / "oxide-surfaces-v0.jsonl.gz"
    invoke("freeze", "--dataset", data, "-o", folder / "passed.dataset.json.gz")
    invoke("freeze", "--dataset", data, "--flagged", "-o", folder / "all.dataset.json.gz")
    passed, every = (
        read_dataset(folder / f"{name}.dataset.json.gz").summary()["labelled_surfaces"]
        for name in ("passed", "all")
    )
    assert 0 < passed < every
    others = DATASETS / "other-surfaces-v0.jsonl.gz"
    summary = json.loads(invoke("score", "oxides-v0", others, "--json", "-").stdout)["summary"]
    assert (
        summary["ionization_potential"]["n"] == summary["ionization_potential"]["n_out_of_domain"]
    )
    for name, content in (
        ("cut.jsonl.gz", data.read_bytes()[:5000]),
        ("other.jsonl", b'{"formula": "MgO"}\n'),
    ):
        (folder / name).write_bytes(content)
        with pytest.raises(DamagedFileError, match="holds no results"):
            invoke("score", "oxides-v0", folder / name)


def test_evaluate_says_that_single_members_were_measured(trained: Path) -> None:
    slabs = trained / "slabs.json.gz"
    assert "single members of toy 0001" in invoke("evaluate", "--slabs", slabs).stdout
    shown = invoke("evaluate", "--slabs", slabs, "--split", "formula", *FAST).stdout
    assert "whole new models of kind composition" in shown
    assert "learn score" in " ".join(invoke("evaluate", "--help").stdout.split())


def test_a_model_of_weak_labels_is_not_taken_unasked(trained: Path) -> None:
    """Promoted later, but no surface of its data had a label of its own."""
    registry = ModelRegistry()
    ensemble, card = registry.load("toy")
    weak = replace(card, name="weak", version="", dataset=card.dataset | {"labelled_surfaces": 0})
    registry.promote("weak", registry.add(ensemble, weak).version)
    assert registry.latest() == "toy"
    (found,) = predictions(trained, "MgO", "--hkl", "1,0,0")
    assert found["model"].startswith("toy ")


def test_the_benchmark_measures_what_the_command_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "benchmarks"))
    benchmark = importlib.import_module("learner_accuracy")
    for model, kind in (("L-SOAP, attention", "lsoap"), ("mean", "mean")):
        _, (choice,) = benchmark.MODELS[model]
        measured = benchmark.recipe(model, choice)
        command = sources.recipe(kind, None, None, 0, 1)
        assert (measured.kind, measured.complete()) == (command.kind, command.complete())


def test_the_store_is_frozen_and_failures_are_counted(database: Database, tmp_path: Path) -> None:
    slab = rocksalt_slab("Mg", "O")
    store(
        database,
        passed_result("mgo-1", unrelaxed_slab_structure=slab),
        failed_result("zno-1"),
    )
    file = tmp_path / "store.dataset.json.gz"
    result = invoke("freeze", "-o", file, "--json")
    summary = json.loads(result.stdout)
    assert summary["labelled_surfaces"] == 1
    assert summary["left_out"] == {"failed: ConvergenceError": 1}
    assert read_dataset(file).digest == summary["digest"]
    assert "left out: 1 (failed: ConvergenceError)" in result.stderr
    with pytest.raises(EmptyDatasetError, match="no label"):
        invoke("freeze", "-o", file, "--query", "state = failed")


def test_mistakes_are_named(folder: Path) -> None:
    slabs = folder / "slabs.json.gz"
    with pytest.raises(ModelNotFoundError, match="no trained model"):
        invoke("predict", "MgO", "--registry", folder / "empty")
    with pytest.raises(ConfigurationError, match="neither a crystal nor a file"):
        invoke("predict")
    with pytest.raises(ConfigurationError, match="a crystal and a file"):
        invoke("predict", "MgO", "--slabs", slabs)
    with pytest.raises(ConfigurationError, match="unknown kind of model 'forest'"):
        invoke("train", "--slabs", slabs, "--kind", "forest")
    with pytest.raises(ConfigurationError, match="sets nothing"):
        invoke("train", "--slabs", slabs, "--set", "n_estimators")
    for change in ("n_estimators=[", "max_depth.of=3"):
        with pytest.raises(ConfigurationError, match="sets nothing"):
            invoke("train", "--slabs", slabs, "--set", "max_depth=2", "--set", change)
    (folder / "wrong.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        invoke("train", "--slabs", slabs, "--config", folder / "wrong.yaml")
    with pytest.raises(ConfigurationError, match="no name for a model"):
        invoke("train", "--slabs", slabs, "--model", "../escape", *FAST)
    for absent in ("toy", "../escape"):
        with pytest.raises(ModelNotFoundError, match="there is no model"):
            invoke("rollback", absent)
        assert not (folder / "models" / absent).exists()
    with pytest.raises(ConfigurationError, match="n_trees"):
        invoke("train", "--slabs", slabs, "--kind", "composition", "--set", "n_trees=3")
    with pytest.raises(ConfigurationError, match=r"keys of network\.training among .*epochs"):
        invoke("train", "--slabs", slabs, "--set", "network.training.epoch=3")
    with pytest.raises(DamagedFileError, match="no whole data set"):
        invoke("train", "--dataset", slabs)
    for option in ("--slabs", "--dataset"):
        with pytest.raises(MissingFileError, match=r"absent\.gz does not exist"):
            invoke("train", option, folder / "absent.gz")
    with pytest.raises(MissingFileError, match=r"absent\.csv does not exist"):
        invoke("import-medians", folder / "absent.csv", "--crystals", folder)
    with pytest.raises(MissingFileError, match=r"absent\.xlsx does not exist"):
        invoke("import-jacs-si", folder / "absent.xlsx", "--crystals", folder)
    with pytest.raises(ModelNotFoundError, match="one of none"):
        invoke("models", "toy")


@pytest.mark.parametrize("file", ["card.json", "champion.json"])
def test_what_is_damaged_hides_no_other_model_of_the_list(trained: Path, file: str) -> None:
    slabs = trained / "slabs.json.gz"
    invoke("train", "--slabs", slabs, "--model", "whole", *FAST)
    [damaged] = (trained / "models" / "toy").rglob(file)
    damaged.write_text(damaged.read_text()[:40])
    for arguments in ((), ("--json",)):
        result = CliRunner().invoke(app, ["learn", "models", *arguments])
        assert result.exit_code == 1
        assert "whole" in result.stdout
        assert f"{damaged} cannot be read" in result.stderr
        assert "Expected: a " in result.stderr
        assert "To do: " in result.stderr
        assert "surfalign learn rollback toy --to" in result.stderr
        assert damaged.name == "champion.json" or "toy" not in result.stdout
    invoke("models", "whole")


def test_a_model_without_attention_explains_nothing(trained: Path) -> None:
    with pytest.raises(ConfigurationError, match="neither attention nor physical inputs"):
        invoke("explain", "MgO", "--hkl", "1,0,0")
    with pytest.raises(ConfigurationError, match="no slab nothing"):
        invoke("explain", "--slabs", trained / "slabs.json.gz", "--name", "nothing")


def test_a_process_is_trained_and_its_inputs_are_explained(folder: Path) -> None:
    slabs = folder / "slabs.json.gz"
    train = ("--kind", "gaussian-process", "--set", "iterations=5")
    invoke("train", "--slabs", slabs, "--model", "process", *train)
    (found,) = predictions(folder, "MgO", "--hkl", "1,0,0")
    low, high = found["interval_90"]["ionization_potential"]
    assert low < found["ionization_potential"] < high
    assert found["electron_affinity"] <= found["ionization_potential"]
    drawn = invoke("explain", "MgO", "--hkl", "1,0,0", "--figure", folder / "inputs").stdout
    assert Path(drawn.strip().replace("\n", "")).read_bytes().startswith(b"\x89PNG")
    # The kind of the champion is the kind of the nights after.
    again = invoke("retrain", "--slabs", slabs, "--model", "process", *train[2:], "--json")
    assert json.loads(again.stdout)["verdict"].startswith("not trained")


@pytest.mark.programs
def test_the_default_kind_end_to_end(folder: Path) -> None:
    """Train what is trained by default in worker processes, predict, explain; two epochs on a handful of slabs."""
    pytest.importorskip("torch")
    slabs = write_slab_file(slab_entries(toy_dataset(10)), folder / "ten.json.gz")
    train = ("train", "--workers", 1, "--slabs", slabs, "--model", "net", "--set", "network.training.epochs=2",
             "--set", "network.descriptor.n_max=3", "--set", "network.descriptor.l_max=2",
             "--set", "process.iterations=3")  # fmt: skip
    first = invoke(*train)
    assert "epoch 2 of 2" in first.stderr
    again = invoke(*train)  # finished members are found again
    assert "epoch 2 of 2" not in again.stderr
    (found,) = predictions(folder, "MgO", "--hkl", "1,0,0")
    assert -20 < found["ionization_potential"] < 30
    drawn = invoke("explain", "MgO", "--hkl", "1,0,0", "--figure", folder / "attention").stdout
    # Of the attention, and of what the inputs do.
    pictures = [Path(line) for line in drawn.split()]
    assert len(pictures) == 2
    for picture in pictures:
        assert picture.read_bytes().startswith(b"\x89PNG")
    assert ModelRegistry().card("net").kind == "mixed"
