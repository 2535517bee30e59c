"""The model that comes with the package: trained on the open data set, and its card.

``python docs/pages/shipped_model.py [DATASET.json.gz ...]`` trains it on ``docs/datasets`` and on further frozen data
sets (formula medians: ``benchmarks/learner_medians.py DATA --crystals-per-formula 1 --minutes 0`` freezes them), compares
it with models that know only the composition, on the same folds of formulas, and writes the model into
``ml/models/shipped`` and its card into ``docs/model.md``. With ``--outside`` it trains
nothing: the model as it is predicts the data set of other surfaces, and that part of the card is written anew.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dataset as open_dataset

from surfalign.files import write_whole
from surfalign.ml.assessment.held_out import HeldOut, blind
from surfalign.ml.assessment.metrics import with_bounds
from surfalign.ml.assessment.score import score_model
from surfalign.ml.data.datasets import FrozenDataset, merge, read_dataset
from surfalign.ml.data.from_results import freeze_results
from surfalign.ml.ensemble.ensemble import Ensemble
from surfalign.ml.ensemble.fitting import main_fidelity
from surfalign.ml.ensemble.recipe import Recipe
from surfalign.ml.models.model_registry import ModelCard, ModelRegistry
from surfalign.ml.models.retraining import train_version
from surfalign.ml.models.shipped_model import FOLDER, NAME, shipped_registry

PAGE = Path(__file__).parent.parent / "model.md"
KIND = "gaussian-process"
BASELINES = ("mean", "composition")
LEVELS = {"ionization_potential": "IP", "electron_affinity": "EA"}

_TEXT = """\
# The model that comes with surfalign

`surfalign learn predict TiO2-rutile` answers on a machine that never trained: where there is no model of your own, `{name}`
predicts. It is a small model of few data, and says so: its intervals are wide, and the domain flag tells whether a
surface is like those that it learned from. Train your own as soon as you have results.

```bash
surfalign learn predict TiO2-rutile --hkl 1,1,0
surfalign learn models {name}
surfalign learn explain TiO2-rutile --hkl 1,1,0 --model {name}
```

**What it is.** Version `{version}`: five Gaussian processes on physical inputs of the unrelaxed slab
([](explanation/learner.md)). It predicts {fidelity}.

**What it learned from.** {n} surfaces of [oxide-surfaces-v0](dataset.md), flagged ones at a lower weight, and {n_ip} medians
of the IP by formula at the level nsc-DDH (Kiyohara, Hinuma, Oba, J. Am. Chem. Soc. 146, 9697 (2024), Data S1,
[doi 10.1021/jacs.3c13574](https://doi.org/10.1021/jacs.3c13574), CC BY 4.0), attached to the enumerated surfaces of one crystal of
each formula. For {n_ea} of these the gap of the crystal by the same method is known (the same school's screening of
high-k oxides, CC BY 4.0), and the median of the EA follows. {n_formulas} formulas in all. The medians make it
better also on the surfaces of the data set; semilocal slabs of another data set (JARVIS) do not, and were left out
([measured](explanation/learner-accuracy.md)).

**How good it is.** Each surface predicted by a member that never saw its formula; 95 % intervals by a bootstrap over
formulas. Beside it, on the same folds, models that know the composition or nothing:

| model | {headers} |
|---|{rule}
{errors}

{outside}

**Surface by surface.** As before, by a member that never saw the formula:

| surface | {columns} | domain |
|---|{rule_2}---|
{surfaces}
"""

_OUTSIDE = """\
**Outside of its domain.** It never saw a crystal without oxygen. Of {n} surfaces of [such crystals](beyond-oxides.md), by the same
method and with all checks passed, it flags {n_outside} as outside of its domain. The intervals are calibrated on surfaces like
those that it learned from, and need not hold there: do not use a flagged number. By the most electronegative element:

| surfaces | number | flagged | MAE of the IP (eV) | 90 % intervals cover | MAE of the EA (eV) | 90 % intervals cover |
|---|---|---|---|---|---|---|
{rows}"""


def make(further: Sequence[Path]) -> None:
    """Train, compare, and write model and card."""
    own = freeze_results(open_dataset.read(), open_dataset.NAME, flagged=True)
    data = merge(NAME, [own, *map(read_dataset, further)])
    with tempfile.TemporaryDirectory() as folder:
        registry = ModelRegistry(Path(folder) / "models")
        for kind in (KIND, *BASELINES):
            recipe = Recipe(kind, {"fidelity": main_fidelity(own)}, 0, 1)
            name = NAME if kind == KIND else kind
            card = train_version(
                registry, name, data, recipe, scratch=Path(folder), on_progress=print
            )
            registry.promote(name, card.version)
        shutil.rmtree(FOLDER, ignore_errors=True)
        shutil.copytree(registry.directory / NAME, FOLDER / NAME)
        (FOLDER / NAME / ".lock").unlink(missing_ok=True)
        baselines = [registry.card(kind) for kind in BASELINES]
        ensemble, card = registry.load(NAME)
        page = text([card, *baselines], blind(ensemble, data), data, outside(ensemble, card))
    write_whole(PAGE, page)


def write_outside() -> None:
    """Write anew what the model in the package does outside of its domain."""
    new = outside(*shipped_registry().load(NAME))
    start = re.escape(_OUTSIDE.split("It never")[0])
    page = PAGE.read_text(encoding="utf-8")
    write_whole(PAGE, re.sub(rf"{start}.*?(?=\n\n\*\*)", lambda _: new, page, flags=re.DOTALL))


def outside(ensemble: Ensemble, card: ModelCard) -> str:
    """Return how a model predicts the surfaces of crystals without oxygen that were computed by its method."""
    others = [
        document
        for document in open_dataset.read(open_dataset.OTHER_DATA)
        if f"store/{document.functional}/" in card.fidelity
    ]
    score = score_model(ensemble, card.formulas, freeze_results(others, "others"))
    ip, ea = (score.summary[name] for name in LEVELS)
    by_anion = score.by_anion()
    rows = [_outside_row("all", ip, ea)]
    rows += [
        _outside_row(anion, *(by_anion[name][anion] for name in LEVELS))
        for anion in by_anion["ionization_potential"]
    ]
    return _OUTSIDE.format(n=ip["n"], n_outside=ip["n_out_of_domain"], rows="\n".join(rows))


def _outside_row(kind: str, *levels: Mapping[str, Any]) -> str:
    cells = [kind, str(levels[0]["n"]), str(levels[0]["n_out_of_domain"])]
    for errors in levels:
        cells += [with_bounds(errors, "mae"), f"{100 * errors['coverage']:.0f} %"]
    return f"| {' | '.join(cells)} |"


def text(
    cards: Sequence[ModelCard], found: Sequence[HeldOut], data: FrozenDataset, beyond: str
) -> str:
    """Return the page."""
    card = cards[0]
    sets = Counter(label.name for label in data.set_labels)
    errors = [
        f"| {one.name if one is card else one.kind} | "
        + " | ".join(with_bounds(one.metrics[name], "mae") for name in LEVELS)
        + " |"
        for one in cards
    ]
    return _TEXT.format(
        name=NAME,
        version=card.version,
        fidelity=f"`{card.fidelity}`",
        n=card.dataset["labelled_surfaces"],
        **{f"n_{short.lower()}": sets[name] for name, short in LEVELS.items()},
        n_formulas=card.dataset["formulas"],
        headers=" | ".join(f"MAE of the {short} (eV)" for short in LEVELS.values()),
        rule="---|" * len(LEVELS),
        errors="\n".join(errors),
        outside=beyond,
        columns=" | ".join(f"{s} (eV) | {s} predicted (eV)" for s in LEVELS.values()),
        rule_2="---|" * 2 * len(LEVELS),
        surfaces="\n".join(_rows(found)),
    )


def _rows(found: Sequence[HeldOut]) -> list[str]:
    by_surface: dict[str, dict[str, HeldOut]] = {}
    for held in found:
        if held.name in LEVELS and not held.of_set:
            by_surface.setdefault(held.surface, {})[held.name] = held
    rows = []
    for surface, levels in sorted(by_surface.items()):
        cells = [surface.split()[0]]
        for name in LEVELS:
            held = levels.get(name)
            cells += [f"{held.label:.2f}", f"{held.value:.2f}"] if held else ["–", "–"]
        cells.append("inside" if next(iter(levels.values())).in_domain else "outside")
        rows.append("| " + " | ".join(cells) + " |")
    return rows


if __name__ == "__main__":
    if sys.argv[1:] == ["--outside"]:
        write_outside()
    else:
        make([Path(argument) for argument in sys.argv[1:]])
    card = shipped_registry().card(NAME)
    print(json.dumps({name: card.metrics[name]["mae"] for name in LEVELS}))
