"""The card of the model in the package tells what that model does."""

from __future__ import annotations

import shipped_model

from surfalign.ml.models.shipped_model import NAME, shipped_registry


def test_the_card_tells_what_the_model_does_outside_of_its_domain() -> None:
    ensemble, card = shipped_registry().load(NAME)
    found = shipped_model.outside(ensemble, card)
    assert found in shipped_model.PAGE.read_text(encoding="utf-8"), (
        "write it anew: python docs/pages/shipped_model.py --outside"
    )
