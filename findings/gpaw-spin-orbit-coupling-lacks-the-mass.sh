#!/bin/sh
# GPAW 26.7.0: its spin-orbit coupling leaves out the mass that electrons gain near a nucleus, which halves the effect
# in lead compounds.
#
# Expected: scalar-relativistic orbitals are coupled by (1 / 4 c^2 M^2) (1/r) dV/dr L.S in atomic units, with the mass
# M = 1 - V / (2 c^2), as D. D. Koelling and B. N. Harmon derive it (doi 10.1088/0022-3719/10/16/019) and other
# PAW codes have it (doi 10.1103/PhysRevB.93.224425).
# Seen (PbS, PBE, 400 eV, 4 x 4 x 4 points, empty levels raised by 1 eV so that the gap stays open): GPAW takes M = 1.
# The lowest empty level, 6p of lead at L, goes down by 0.64 eV; divided by M^2 it is 0.31 eV. Without the raise the
# gap of 0.32 eV closes and the levels change places, where a benchmark with another code keeps 0.04 of 0.30 eV
# (mp-21276 in https://github.com/MaxGrossmann/mbpt_benchmark). For GaAs it is 5 %, so that tests on
# light crystals show nothing.
# Output seen:
#   lowest empty level: -0.64 eV as it is, -0.31 eV with the mass
#
# Needs Python 3.11 or later, a C compiler, and the headers of libxc and BLAS, for GPAW is built from source.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ase==3.29.0 numpy==2.4.6 scipy==1.17.1 gpaw==26.7.0 gpaw-data==1.2.1
cat > "$folder/coupling.py" <<'PYTHON'
import numpy as np
from ase.build import bulk
from gpaw import GPAW, PW, FermiDirac, spinorbit

atoms = bulk("PbS", "rocksalt", 5.936)
atoms.calc = GPAW(
    mode=PW(400), xc="PBE", kpts={"size": (4, 4, 4), "gamma": True}, h=0.18, nbands=30, txt=None,
    occupations=FermiDirac(0.01), convergence={"bands": 22},
)
atoms.get_potential_energy()
n = round(atoms.calc.get_number_of_electrons())
levels = np.array(
    [[atoms.calc.get_eigenvalues(kpt=k)[:22] for k in range(len(atoms.calc.get_ibz_k_points()))]]
)
levels[:, :, n // 2 :] += 1.0


def change():
    split = spinorbit.soc_eigenstates(atoms.calc, n2=22, eigenvalues=levels).eigenvalues()
    return split[:, n].min() - levels[0, :, n // 2].min()


derivative = spinorbit.get_radial_potential_derivative


def with_mass(setup, *arguments):
    slope = derivative(setup, *arguments)
    rises = slope * setup.xc_correction.rgd.dr_g[: len(slope)]
    potential = 0.5 * rises - np.cumsum(rises[::-1])[::-1]  # hartree, zero at the end of the sphere
    return slope / (1.0 - 0.5 * spinorbit.alpha**2 * potential) ** 2


plain = change()
spinorbit.get_radial_potential_derivative = with_mass
massive = change()
print(f"lowest empty level: {plain:+.2f} eV as it is, {massive:+.2f} eV with the mass")
assert -0.72 < plain < -0.58 and -0.38 < massive < -0.26, "the behaviour has changed"
PYTHON
cd "$folder"
OMP_NUM_THREADS=1 "$folder/venv/bin/python" coupling.py
