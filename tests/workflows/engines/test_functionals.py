"""The hybrids of the band edges, for any engine."""

from __future__ import annotations

import pytest

from surfalign.errors import ConfigurationError
from surfalign.workflows.engines.functionals import HSE06_SCREENING, exchange_fraction


@pytest.mark.parametrize(
    ("constant", "fraction"),
    [(3.07, 0.33), (3.08, 0.32), (6.3, 0.16), (10.9, 0.092), (12.4, 0.081)],
)
def test_the_fraction_of_ddh_has_two_significant_digits(constant: float, fraction: float) -> None:
    assert exchange_fraction("ddh", constant) == fraction


def test_named_functionals_have_fractions_of_their_own() -> None:
    assert exchange_fraction("hse06", None) == exchange_fraction("pbe0", 3.0) == 0.25
    assert exchange_fraction("pbesol", None) == 0.0
    assert pytest.approx(0.11 / 0.529177, abs=5e-4) == HSE06_SCREENING


@pytest.mark.parametrize("constant", [None, 0.9, 1.0])
def test_ddh_needs_a_dielectric_constant(constant: float | None) -> None:
    with pytest.raises(ConfigurationError, match="above 1"):
        exchange_fraction("ddh", constant)


def test_an_unknown_functional_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(ConfigurationError, match=r"no functional 'b3lyp'.*ddh, hse06"):
        exchange_fraction("b3lyp", None)
