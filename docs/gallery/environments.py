"""The atoms of rutile TiO2(110) by their surroundings: a map of their SOAP spectra."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from surfalign.crystals.sources import load_crystal
from surfalign.ml.configuration import DescriptorConfiguration
from surfalign.ml.descriptors.environments import atomic_environments
from surfalign.physics.slabs.enumeration import enumerate_slabs

plt.style.use(Path(__file__).with_name("gallery.mplstyle"))
rutile = load_crystal("TiO2-rutile").structure
(surface,) = enumerate_slabs(rutile, (1, 1, 0), slab_thickness=24.0, vacuum_thickness=15.0)
atoms = atomic_environments(surface.slab, DescriptorConfiguration())

# The power spectrum of each distinct atom: products of coefficients, summed over m for each l.
spectrum = []
for l in range(DescriptorConfiguration().l_max + 1):
    block = atoms.coefficients[:, :, l * l : (l + 1) ** 2, :]
    spectrum.append(np.einsum("azmn,aymk->azynk", block, block).reshape(len(block), -1))
features = np.hstack(spectrum)
features /= np.linalg.norm(features, axis=1)[:, None]

figure, panels = plt.subplots(1, 2, figsize=(8.4, 3.9))
for panel, number, name in zip(panels, (22, 8), ("titanium", "oxygen"), strict=True):
    chosen = atoms.centers == number
    centred = features[chosen] - features[chosen].mean(axis=0)
    components = np.linalg.svd(centred, full_matrices=False)[2][:2]
    x, y = components @ centred.T
    dots = panel.scatter(x, y, c=atoms.depths[chosen], s=60, cmap="viridis_r", ec="#1b2430", lw=0.5)
    panel.set(title=name, xlabel="first principal component", ylabel="second principal component")
    panel.margins(0.15)
figure.colorbar(dots, ax=panels, label="depth below the surface (Å)")
figure.suptitle("Atoms of TiO$_2$ (110): those of the bulk are alike, those of the surface are not")
figure.savefig("environments.png")
