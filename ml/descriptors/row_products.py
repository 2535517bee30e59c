"""Products of short rows in vector registers, for compiled kernels.

The rows of an expansion are as long as there are radial functions, six or eight numbers. numba's compiler leaves loops
of that length scalar; written as operations on vectors of that length they take a quarter of the time.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

UNROLLED = 8
"""Pairs of a step; their rows stay in registers while all components of one degree are updated."""

BYTES = 8
"""Alignment of an array of double precision."""

_INTEGER, _LANE, _REAL = ir.IntType(64), ir.IntType(32), ir.DoubleType()


@intrinsic
def add_row_products(
    typing_context: Any, rows: Any, radial: Any, harmonics: Any, pair: Any, degree: Any, lanes: Any
) -> Any:
    """Add sum_p R_nl(p) Y_lm(p) of ``UNROLLED`` pairs p to the rows of one degree l.

    Parameters
    ----------
    rows
        c_nlm, shape ((l_max + 1)^2, n_max).
    radial
        R_nl, shape (n_pairs, (l_max + 1) n_max).
    harmonics
        Y_lm, shape ((l_max + 1)^2, n_pairs).
    pair, degree
        The first pair, and l.
    lanes
        A tuple of n_max numbers: its type tells the compiler how long a row is.
    """
    return types.void(rows, radial, harmonics, pair, degree, lanes), _products


def _products(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    *_, pair, degree, _ = arguments
    vector = ir.VectorType(_REAL, signature.args[-1].count)
    undefined = ir.Constant(vector, ir.Undefined)
    everywhere = ir.Constant(ir.VectorType(_LANE, vector.count), [0] * vector.count)
    zero, one = ir.Constant(_INTEGER, 0), ir.Constant(_INTEGER, 1)

    def place(argument: int, *indices: Any) -> Any:
        kind = signature.args[argument]
        array = context.make_array(kind)(context, builder, arguments[argument])
        return cgutils.get_item_pointer(  # type: ignore[no-untyped-call]
            context, builder, kind, array, indices
        )

    def row(pointer: Any) -> Any:
        return builder.bitcast(pointer, vector.as_pointer())

    def repeated(number: Any) -> Any:
        first = builder.insert_element(undefined, number, ir.Constant(_LANE, 0))
        return builder.shuffle_vector(first, undefined, everywhere)

    pairs = [builder.add(pair, ir.Constant(_INTEGER, k)) for k in range(UNROLLED)]
    start = builder.mul(degree, ir.Constant(_INTEGER, vector.count))
    own = [builder.load(row(place(1, p, start)), align=BYTES) for p in pairs]
    after = builder.add(degree, one)
    first, last = builder.mul(degree, degree), builder.mul(after, after)
    with cgutils.for_range_slice(builder, first, last, one) as (component, _):
        total = builder.load(row(place(0, component, zero)), align=BYTES)
        for radial, p in zip(own, pairs, strict=True):
            harmonic = repeated(builder.load(place(2, component, p)))
            product = builder.fmul(radial, harmonic, flags=("fast",))
            total = builder.fadd(total, product, flags=("fast",))
        builder.store(total, row(place(0, component, zero)), align=BYTES)
    return context.get_dummy_value()
