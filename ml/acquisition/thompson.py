"""Thompson sampling with PHYSBO (Y. Motoyama et al., Comput. Phys. Commun. 278, 108405 (2022)).

Its conventions, and what is done about each: it maximises, so it gets the margin of the rule, which is to
be large; its centring drops a column whose deviation is exactly zero, so which columns go depends on
rounding, and it gets vectors that were scaled here; equal rows are different candidates to it, so it
sees one of each group; it seeds numpy's global generator, which is put back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO

import numpy as np
from numpy.typing import NDArray

from surfalign.errors import LearnerError, MissingDependencyError
from surfalign.ml.acquisition.pool import Pool
from surfalign.ml.acquisition.rule import Rule

#: Basis functions of its linear model, which stands for a Gaussian process.
BASIS = 200


def thompson(pool: Pool, free: NDArray[np.int_], rule: Rule, size: int, seed: int) -> Iterator[int]:
    """Yield up to ``size`` free candidates by Thompson sampling of the rule's margin.

    Raises
    ------
    MissingDependencyError
        When PHYSBO is not installed.
    LearnerError
        When fewer than two candidates have labels.
    """
    try:
        import physbo
    except ImportError as error:
        raise MissingDependencyError(
            "PHYSBO is not installed", "the package physbo", "pip install 'surfalign[explore]'"
        ) from error
    margins = rule.margin({name: pool.labels[name] for name in rule.windows})
    known = np.flatnonzero(np.isfinite(margins))
    if len(known) < 2:
        raise LearnerError(
            f"Thompson sampling with {len(known)} labelled surfaces of the pool",
            "at least two",
            "begin with random or diversity",
        )
    rows = np.concatenate([known, free])
    with _own_randomness(), redirect_stdout(StringIO()):
        policy = physbo.search.discrete.Policy(
            test_X=np.ascontiguousarray(pool.vectors[rows], dtype=np.float64),
            initial_data=(np.arange(len(known)), margins[known]),
        )
        policy.set_seed(seed)
        chosen = policy.bayes_search(
            max_num_probes=1,
            num_search_each_probe=min(size, len(free)),
            simulator=None,
            score="TS",
            interval=0,
            num_rand_basis=BASIS,
            is_disp=False,
        )
    yield from (int(rows[action]) for action in np.atleast_1d(chosen))


@contextmanager
def _own_randomness() -> Iterator[None]:
    """Leave numpy's global generator as it was."""
    state = np.random.get_state()  # noqa: NPY002 - PHYSBO uses it
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
