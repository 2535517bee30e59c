"""Training a version, and the nightly contest between champion and challenger.

The test set is the whole data set, predicted out of fold: a formula's fold follows from its name alone,
so neither the champion's nor the challenger's member for a fold has ever seen the formulas of it, and
both are judged on the same surfaces.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surfalign.files import write_whole
from surfalign.ml.assessment.evaluation import PairedComparison, contest
from surfalign.ml.assessment.held_out import blind
from surfalign.ml.assessment.metrics import error_rows, summarise, with_bounds
from surfalign.ml.ensemble.recipe import Recipe
from surfalign.ml.models.model_registry import ModelCard, ModelRegistry, check_name, code_versions
from surfalign.ml.properties.property import LEVELS

if TYPE_CHECKING:
    from surfalign.ml.data.datasets import FrozenDataset

Progress = Callable[[str], None]


class Verdict(StrEnum):
    """What became of a challenger."""

    FIRST = "promoted: the first version"
    BETTER = "promoted: significantly better"
    MORE_DATA = "promoted: equal, with more data"
    KEPT = "not promoted: not better, without more data"
    WORSE = "not promoted: significantly worse"
    UNCHANGED = "not trained: neither data nor configuration changed"
    INCOMPARABLE = "not promoted: no surface that both can be tested on"

    @property
    def promoted(self) -> bool:
        """Whether the challenger became champion."""
        return self.value.startswith("promoted")


@dataclass(frozen=True)
class Outcome:
    """What a retraining did.

    Attributes
    ----------
    verdict
        What became of the challenger.
    champion
        Version that predicts now; None where there is none.
    challenger
        Version that was trained; None where none was.
    comparison
        The contest that decided; None where there was none.
    report
        The report.
    """

    verdict: Verdict
    champion: str | None
    challenger: str | None
    comparison: PairedComparison | None
    report: Path


def train_version(
    registry: ModelRegistry,
    name: str,
    dataset: FrozenDataset,
    recipe: Recipe,
    *,
    scratch: Path,
    on_progress: Progress | None = None,
) -> ModelCard:
    """Train a model on a data set and store it as a new version, not yet promoted.

    Parameters
    ----------
    registry
        Where it is stored.
    name
        Of the model.
    dataset
        What to learn from.
    recipe
        How.
    scratch
        For finished members and checkpoints; a killed training goes on from there.
    on_progress
        Called with a line now and then.

    Raises
    ------
    ConfigurationError
        When the configuration has a mistake, or the name cannot be that of a model.
    EmptyDatasetError
        When a property has no label.
    LearnerError
        When nothing can be learned of a declared property.
    """
    check_name(name)  # before hours of training, not after them
    recipe = recipe.for_dataset(dataset)
    ensemble = recipe.fit(dataset, scratch=scratch, on_progress=on_progress)
    elements = Counter(
        element for record in dataset.records for element in record.chemical_system.split("-")
    )
    card = ModelCard(
        name=name,
        version="",
        kind=recipe.kind,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        code_versions=code_versions(),
        configuration=recipe.complete().model_dump(mode="json"),
        seed=recipe.seed,
        dataset=dataset.summary(),
        fidelity=ensemble.fidelity,
        elements=dict(sorted(elements.items())),
        metrics=summarise(blind(ensemble, dataset)),
        formulas=tuple(sorted({record.formula for record in dataset.records})),
        notes=dict(ensemble.notes),
    )
    return registry.add(ensemble, card)


def retrain(
    registry: ModelRegistry,
    name: str,
    dataset: FrozenDataset,
    recipe: Recipe,
    *,
    scratch: Path,
    force: bool = False,
    on_progress: Progress | None = None,
) -> Outcome:
    """Train a challenger and promote it if it deserves it; write a dated report.

    It is promoted when it is significantly better than the champion (paired bootstrap over formulas,
    95 %), or not significantly different and trained on more labels.

    Parameters
    ----------
    registry, name, dataset, recipe, scratch, on_progress
        As for :func:`train_version`.
    force
        Train although neither data nor configuration changed.
    """
    recipe = recipe.for_dataset(dataset)
    champion = registry.champion(name)
    old = registry.card(name) if champion else None
    if old and not force and _same(old, dataset, recipe):
        return _report(registry, name, dataset, Verdict.UNCHANGED, None, {})
    card = train_version(registry, name, dataset, recipe, scratch=scratch, on_progress=on_progress)
    comparisons: dict[str, PairedComparison] = {}
    if old is None:
        verdict = Verdict.FIRST
    else:
        comparisons = _contest(registry, name, card.version, dataset)
        verdict = decide(_deciding(comparisons), _n_labels(card.dataset) > _n_labels(old.dataset))
    if verdict.promoted:
        registry.promote(name, card.version)
    return _report(registry, name, dataset, verdict, card, comparisons)


def decide(comparison: PairedComparison | None, more_data: bool) -> Verdict:
    """Return what becomes of a challenger."""
    if comparison is None:
        return Verdict.INCOMPARABLE
    if comparison.significantly_better:
        return Verdict.BETTER
    if comparison.significantly_worse:
        return Verdict.WORSE
    return Verdict.MORE_DATA if more_data else Verdict.KEPT


def _contest(
    registry: ModelRegistry, name: str, challenger: str, dataset: FrozenDataset
) -> dict[str, PairedComparison]:
    """Compare both on each kind of label: IP and EA where there are any, else all properties."""
    new, _ = registry.load(name, challenger)
    old, _ = registry.load(name)
    return contest(blind(old, dataset, new.fidelity), blind(new, dataset), LEVELS)


def _deciding(comparisons: Mapping[str, PairedComparison]) -> PairedComparison | None:
    """Return the comparison that decides: surfaces with a gap, else sets, else near-metals."""
    return next(iter(comparisons.values()), None)


def _same(card: ModelCard, dataset: FrozenDataset, recipe: Recipe) -> bool:
    configuration = recipe.complete().model_dump(mode="json")
    return (card.dataset["digest"], card.kind, card.configuration, card.seed) == (
        dataset.digest,
        recipe.kind,
        configuration,
        recipe.seed,
    )


def _n_labels(summary: Mapping[str, Any]) -> int:
    return sum(summary["labels"].values())


def _report(
    registry: ModelRegistry,
    name: str,
    dataset: FrozenDataset,
    verdict: Verdict,
    card: ModelCard | None,
    comparisons: Mapping[str, PairedComparison],
) -> Outcome:
    """Write the report as Markdown and JSON, named by the time."""
    champion = registry.champion(name)
    comparison = _deciding(comparisons)
    now = datetime.now(UTC)
    folder = registry.report_folder(name)
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "model": name,
        "date": now.isoformat(timespec="seconds"),
        "verdict": verdict.value,
        "champion": champion.version if champion else None,
        "challenger": card.version if card else None,
        "comparison": asdict(comparison) if comparison else None,
        "comparisons": {kind: asdict(one) for kind, one in comparisons.items()},
        "metrics": card.metrics if card else None,
        "dataset": dataset.summary(),
    }
    stem = now.strftime("%Y-%m-%dT%H%M%S.%f")
    write_whole(folder / f"{stem}.json", json.dumps(content, indent=1) + "\n", sync=True)
    report = folder / f"{stem}.md"
    write_whole(report, _markdown(content), sync=True)
    return Outcome(
        verdict,
        champion.version if champion else None,
        card.version if card else None,
        comparison,
        report,
    )


def _markdown(content: Mapping[str, Any]) -> str:
    data = content["dataset"]
    lines = [
        f"# {content['model']}, {content['date']}",
        "",
        f"**{content['verdict']}**. Champion: {content['champion'] or 'none'}; "
        f"challenger: {content['challenger'] or 'none'}.",
        "",
        f"Data {data['digest'][:12]}: {data['labelled_surfaces']} labelled surfaces of "
        f"{data['formulas']} formulas, {data['set_labels']} labels of sets; left out: "
        + (", ".join(f"{n} ({why})" for why, n in data["left_out"].items()) or "nothing")
        + ".",
    ]
    for kind, one in content["comparisons"].items():
        low, high = one["interval"]
        lines += [
            "",
            f"On {one['n_surfaces']} {kind} of {one['n_formulas']} formulas that neither has "
            f"seen: champion {one['champion_error']:.3f} {one['unit']}, challenger "
            f"{one['challenger_error']:.3f} {one['unit']}, difference {one['difference']:+.3f} {one['unit']} "
            f"(95 %: {low:+.3f} to {high:+.3f}).",
        ]
    if content["metrics"]:
        lines += ["", *_error_table(content["metrics"])]
    return "\n".join([*lines, ""])


def _error_table(metrics: Mapping[str, Any]) -> list[str]:
    """Return the errors as Markdown, surfaces with a gap apart from near-metals and from sets."""
    lines = [
        "| Property | Of | Number | MAE (95 %) | RMSE | MAE inside | MAE outside of the domain | Unit |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, kind, m in error_rows(metrics):
        numbers = (m["rmse"], m["mae_in_domain"], m["mae_out_of_domain"])
        cells = ["–" if value is None else f"{value:.3f}" for value in numbers]
        mae = with_bounds(m, "mae")
        lines.append(
            f"| {name} | {kind} | {m['n']} | {mae} | {' | '.join(cells)} | {metrics[name]['unit']} |"
        )
    return lines
