"""The textbook face of rutile, drawn from both sides and from above."""

from surfalign.crystals.sources import load_crystal
from surfalign.launchers.figures.slabs import side_view_figure
from surfalign.physics.slabs.enumeration import enumerate_slabs

rutile = load_crystal("TiO2-rutile").structure
slabs = enumerate_slabs(rutile, (1, 1, 0), slab_thickness=12.0, vacuum_thickness=15.0)
print([slab.name for slab in slabs])
figure = side_view_figure(slabs[0])
figure.savefig("slab_picture.png", dpi=110, bbox_inches="tight")
