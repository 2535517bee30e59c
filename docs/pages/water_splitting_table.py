"""The oxides ranked for water splitting at pH 7, by the data set and by the model that comes with surfalign.

``python docs/pages/water_splitting_table.py`` writes docs/explanation/water-splitting-table.md anew, after results were
added to the data set or another model is shipped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from surfalign.files import write_whole
from surfalign.ml.data.from_crystal import library_surfaces
from surfalign.ml.models.screening import predicted_candidates
from surfalign.ml.models.shipped_model import NAME, shipped_registry
from surfalign.stores.screening.candidates import Candidates, file_candidates
from surfalign.stores.screening.evaluation import screen
from surfalign.stores.screening.question import Terms, ask
from surfalign.stores.screening.report import as_json
from surfalign.stores.screening.rules import load_rule

DOCS = Path(__file__).parent.parent
DATA = DOCS / "datasets" / "oxide-surfaces-v0.jsonl.gz"
PAGE = DOCS / "explanation" / "water-splitting-table.md"

INTRODUCTION = """\
# Oxides ranked for water splitting

The best surface of each oxide by `surfalign screen water-splitting --ph 7`: the probability that its conduction band lies
above H⁺/H₂ (−4.03 eV), its valence band below O₂/H₂O (−5.25 eV), and its gap within 1.23 to 4.0 eV. First from the
[data set](../dataset.md), flagged results included and marked, then from the [model that comes with surfalign](../model.md) for the
cleavage planes of the library. What ± means is told in [](screening.md). Written by `python docs/pages/water_splitting_table.py`.

## Where chemistry disagrees

- **SrTiO₃, TiO₂, BaTiO₃, CaTiO₃ and KTaO₃ do split water** under ultraviolet light, with a cocatalyst (A. Kudo, Y. Miseki, Chem. Soc.
  Rev. 38, 253 (2009), [doi 10.1039/b800489g](https://doi.org/10.1039/b800489g)), and stand far down. The one-shot hybrid gaps
  are too large for d⁰ cations (rutile: 3.8 eV, measured 3.0), the predicted ones more so (SrTiO₃: measured 3.25 eV), so that the
  window of the gap ends below them; and the computed IP of rutile is 0.7 eV above the measured one.
- **Li₂HgO₂ and Ba₂PbO₄** come first of what was computed: levels count here, mercury and lead do not.
- **Ag₂O and Cu₂O**: measured gaps are 1.3 and 2.1 eV. Ag₂O lies outside of the model's domain, which learned from no oxide of silver, and decomposes under light. Cu₂O
  has the levels, and its own carriers reduce it to the metal.
- **PbO, SnO, Na₂O, BaO** have levels that suit, or nearly, and react with water or are oxidised by their own
  holes. No rule here knows of stability.
- **BaSnO₃ is a poor photocatalyst** although its levels suit better than here: it recombines too fast, which is no matter of levels.
- **SnO₂** has a chance by its reduced face alone, whose levels are those of the crystal's bands; electronic states that the missing oxygen
  leaves in the gap do not count. The other faces agree with what is known: their conduction bands lie too deep to reduce protons.
- **CeO₂**: absorption begins at 3.2 eV, into empty 4f states that the model does not know as such.
- **CdO**: measured, its electron affinity is near 6 eV, far deeper than predicted. Nothing like it was learned from.
- **ZnO**: the one-shot gap is 0.5 eV too small, and so its computed conduction band is too deep; measured, it lies close to H⁺/H₂. ZnO
  dissolves under light.
- **WO₃ and BiVO₄** end low in agreement with experiment: they are photoanodes, whose conduction bands lie below H⁺/H₂.
- **BiOCl and BiOBr** are known for the oxidation of dyes, hardly for hydrogen, in agreement with conduction bands below H⁺/H₂. **La₂O₂S**
  has a chance although its gap is 0.7 eV too wide: EA ± 1 eV leaves it.
- **MgO, CaO, BeO, Al₂O₃, SiO₂ and the like** are excluded by their gaps, with certainty, and rightly.

"""
HEAD = (
    "| oxide | surface | probability | IP (eV) | EA (eV) | gap (eV) | misses the rule | remarks |\n"
    "|---|---|--:|--:|--:|--:|---|---|"
)


def main() -> None:
    """Write the page."""
    stored = file_candidates(DATA, flagged=True)
    predicted = predicted_candidates(library_surfaces(), shipped_registry(), model=NAME)
    parts = [INTRODUCTION]
    for title, found in (("From the data set", stored), (f"Predicted by {NAME}", predicted)):
        rows = best_of_each_oxide(found)
        parts.append(f"## {title}: {len(rows)} oxides\n\n{HEAD}\n" + "\n".join(rows) + "\n\n")
    write_whole(PAGE, "".join(parts).rstrip() + "\n")


def best_of_each_oxide(found: Candidates) -> list[str]:
    """Return one row for each crystal, the most probable first."""
    answer = as_json(screen(ask(load_rule("water-splitting"), Terms(ph=7)), found))
    best: dict[str, dict[str, Any]] = {}
    for surface in answer["surfaces"]:
        best.setdefault(surface["crystal"].removeprefix("library:"), surface)
    return [_row(crystal, surface) for crystal, surface in best.items()]


def _row(crystal: str, surface: dict[str, Any]) -> str:
    levels = [
        f"{surface[name]:.2f} ± {surface[f'{name}_error']:.2f}"
        for name in ("ionization_potential", "electron_affinity")
    ]
    cells = [crystal, surface["name"], f"{surface['probability']:.2f}", *levels]
    cells += [f"{surface['band_gap']:.2f}", surface["reason"], ", ".join(surface["remarks"])]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
