"""Trees on compositions learn a made-up rule; each formula is predicted by a model without it."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from pymatgen.core import Element, Lattice, Structure

from surfalign.ml.data.records import Label, surface_record
from surfalign.ml.learners.baselines import CompositionConfiguration, CompositionModel

plt.style.use(Path(__file__).with_name("gallery.mplstyle"))
ANIONS = {"O": "oxides", "S": "sulfides", "Se": "selenides", "Te": "tellurides"}


def made_up(cation, anion):
    """A layer of two atoms; its IP (eV) grows with their electronegativities."""
    lattice = Lattice.tetragonal(4.0, 18.0)
    layer = Structure(lattice, [cation, anion], [[0, 0, 0.5], [0.5, 0.5, 0.5]])
    ip = 1.2 * Element(cation).X + 2.6 * Element(anion).X - 1.5
    label = Label(name="ionization_potential", value=ip, unit="eV", fidelity="made up")
    return surface_record(cation + anion, layer, "made up", labels=[label])


cations = ("Be", "Mg", "Ca", "Sr", "Ba", "Zn", "Cd", "Ni", "Mn", "Sn", "Pb", "Ge", "Si", "Ti", "Zr")
records = np.array([made_up(cation, anion) for cation in cations for anion in ANIONS])
fold = np.random.default_rng(0).permutation(len(records)) % 5
how = CompositionConfiguration(properties=("ionization_potential",))
models = [CompositionModel.fit(list(records[fold != k]), how) for k in range(5)]

figure, axes = plt.subplots(figsize=(5.2, 5.0))
axes.axline((6, 6), slope=1, color="#9aa5b1", lw=1, zorder=0)
for anion, name in ANIONS.items():
    mine = [k for k, record in enumerate(records) if record.name.endswith(anion)]
    truth = [records[k].value("ionization_potential") for k in mine]
    answers = [models[fold[k]].predict([records[k].structure])[0] for k in mine]
    axes.plot(truth, [a.values["ionization_potential"] for a in answers], "o", ms=5, label=name)
axes.set(xlabel="true IP (eV)", ylabel="predicted IP (eV)", title="60 formulas, five folds")
axes.legend(loc="upper left")
figure.savefig("learner.png")
