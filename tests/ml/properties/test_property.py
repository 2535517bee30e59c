"""A property: its scale, its bounds, and its way through JSON."""

from __future__ import annotations

import numpy as np
import pytest

from surfalign.errors import InvalidLabelError
from surfalign.ml.properties.property import KNOWN, Level, Property, Transformation


def stiffness(transformation: Transformation, **bounds: float) -> Property:
    return Property(
        name="stiffness", unit="GPa", level=Level.CRYSTAL, transformation=transformation, **bounds
    )


@pytest.mark.parametrize("transformation", list(Transformation))
def test_the_way_back_from_the_learned_scale_is_exact(transformation: Transformation) -> None:
    values = np.array([0.5, 1.0, 40.0, 3000.0])
    one = stiffness(transformation)
    np.testing.assert_allclose(one.told(one.learned(values)), values, rtol=1e-12)


@pytest.mark.parametrize("transformation", [Transformation.SQRT, Transformation.LOG1P])
def test_what_lies_below_the_scale_is_told_as_its_end(transformation: Transformation) -> None:
    told = stiffness(transformation).told(np.array([-np.inf, -2.0, 0.0, 1.0]))
    assert told[:3].tolist() == [0.0, 0.0, 0.0]
    assert told[3] > 0.0


def test_predictions_end_at_the_bounds_and_infinite_ones_stay() -> None:
    bounded = stiffness(Transformation.NONE, minimum=0.0, maximum=10.0)
    assert bounded.told(np.array([-1.0, 4.0, 99.0])).tolist() == [0.0, 4.0, 10.0]
    told = stiffness(Transformation.LOG).told(np.array([-np.inf, np.inf]))
    assert told.tolist() == [0.0, np.inf]


@pytest.mark.parametrize(
    ("transformation", "bounds", "value"),
    [
        (Transformation.LOG, {}, 0.0),
        (Transformation.SQRT, {}, -0.1),
        (Transformation.LOG1P, {}, -0.1),
        (Transformation.NONE, {"minimum": 1.0}, 0.9),
        (Transformation.NONE, {"maximum": 2.0}, 2.1),
    ],
)
def test_a_label_without_a_place_on_the_scale_is_refused(
    transformation: Transformation, bounds: dict[str, float], value: float
) -> None:
    with pytest.raises(InvalidLabelError, match="stiffness of row 3 is"):
        stiffness(transformation, **bounds).check(value, "row 3")
    stiffness(transformation, **bounds).check(1.5, "row 3")


def test_a_property_survives_json_and_names_itself() -> None:
    one = stiffness(Transformation.LOG, minimum=1.0)
    assert Property.from_dict(one.as_dict()) == one
    assert one.quantity == "stiffness (GPa)"
    assert Property(name="dielectric_constant", unit="1").quantity == "dielectric constant"


def test_of_known_properties_the_affinity_alone_is_bound_to_another() -> None:
    bound = {name: one.not_above for name, one in KNOWN.items() if one.not_above}
    assert bound == {"electron_affinity": "ionization_potential"}
