"""Values of U in a method's name, and results of one table of U."""

from __future__ import annotations

import pytest

from surfalign.stores.method_names import hubbard_word, of_one_table


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({}, ""),
        ({"Zn": 5.0}, "u-Zn5"),
        ({"Zn": 5.0, "Ti": 3.25}, "u-Ti3.25-Zn5"),
        ({"O": -1.5}, "u-O-1.5"),
        ({"Ce": 4.5 + 1e-12}, "u-Ce4.5"),
    ],
)
def test_the_word_tells_every_value_in_the_order_of_the_elements(
    values: dict[str, float], word: str
) -> None:
    assert hubbard_word(values) == word


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["pbe", "ddh", "hse06@pbe+d3"], None),
        (["pbe+u-Ti3"], None),
        (["pbe+u-Ti3", "pbe+u-Zn5"], ["pbe+u-Ti3-Zn5"] * 2),
        (["pbe+u-Ti3+d3", "pbe+u-Ti3-V3.2+d3"], ["pbe+u-Ti3-V3.2+d3"] * 2),
        (["pbe+u-Ti3", "pbe+u-Ti4"], None),
        (["pbe+u-Ti3-Zn5", "pbe+u-Zn4"], None),
        # Another functional, dispersion, spin-orbit coupling or density is another method.
        (["pbe+u-Ti3", "pbesol+u-Zn5", "pbe+u-Zn5+soc", "pbe+u-V3+d3"], None),
        (["hse06@pbe+u-Ti3", "pbe+u-Zn5"], None),
        (["hse06@pbe+u-Ti3", "hse06@pbe+u-O-2"], ["hse06@pbe+u-O-2-Ti3"] * 2),
        # Both sides of the @ are of one run's crystal.
        (["hse06+u-Ti3@pbe+u-Ti3", "hse06+u-V3@pbe+u-V3"], ["hse06+u-Ti3-V3@pbe+u-Ti3-V3"] * 2),
        # A name from before values were told says nothing of its table.
        (["pbe+u", "pbe+u-Ti3"], None),
        (["pbe", "pbe+u-Ti3"], None),
        # Two names of hybrids that end in digits are not values of U.
        (["pbe-x0.33-w0.2", "pbe-x0.25-w0.3", "libxc-gga_x_pbe"], None),
    ],
)
def test_names_of_one_table_of_u_become_one(names: list[str], found: list[str] | None) -> None:
    assert of_one_table(names) == dict(zip(names, found or names, strict=True))
