"""Products of short rows in vector registers, for compiled kernels.

The rows of an expansion are as long as there are radial functions, six or eight numbers. numba's compiler leaves loops
of that length scalar; written as operations on vectors of that length they take a quarter of the time. Rows of factors
are longer, and a sum of several is kept in registers until it is complete.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

UNROLLED = 8
"""Pairs of a step; their rows stay in registers while all components of one degree are updated."""

WIDTH = 64
"""Columns of two rows that stay in registers while other rows are added to them."""

_INTEGER, _LANE = ir.IntType(64), ir.IntType(32)


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
    code = _VectorCode(context, builder, signature, arguments, signature.args[-1].count)
    zero, one = ir.Constant(_INTEGER, 0), ir.Constant(_INTEGER, 1)
    pairs = [builder.add(pair, ir.Constant(_INTEGER, k)) for k in range(UNROLLED)]
    start = builder.mul(degree, ir.Constant(_INTEGER, code.vector.count))
    own = [code.load(1, p, start) for p in pairs]
    after = builder.add(degree, one)
    first, last = builder.mul(degree, degree), builder.mul(after, after)
    with cgutils.for_range_slice(builder, first, last, one) as (component, _):
        total = code.load(0, component, zero)
        for radial, p in zip(own, pairs, strict=True):
            product = builder.fmul(radial, code.repeated(2, component, p), flags=("fast",))
            total = builder.fadd(total, product, flags=("fast",))
        code.store(total, 0, component, zero)
    return context.get_dummy_value()


@intrinsic
def add_weighted_rows(
    typing_context: Any, target: Any, weights: Any, rows: Any, one: Any, other: Any, first: Any
) -> Any:
    """Add sum_p w_p rows_p to ``WIDTH`` columns of two rows of an array, or of one that is named twice.

    Parameters
    ----------
    target
        What is added to, shape (n_targets, n_columns).
    weights
        Shape (n_targets, n_rows).
    rows
        Shape (n_rows, n_columns).
    one, other
        The rows of ``target`` and ``weights``.
    first
        The first of the columns.
    """
    return types.void(target, weights, rows, one, other, first), _weighted_rows


def _weighted_rows(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    _, weights, _, *own, first = arguments
    code = _VectorCode(context, builder, signature, arguments, WIDTH)
    shape = context.make_array(signature.args[1])(context, builder, weights).shape
    n_rows = builder.extract_value(shape, 1)
    totals = [
        cgutils.alloca_once_value(builder, code.load(0, row, first))  # type: ignore[no-untyped-call]
        for row in own
    ]
    with cgutils.for_range(builder, n_rows) as loop:
        added = code.load(2, loop.index, first)
        for row, total in zip(own, totals, strict=True):
            product = builder.fmul(added, code.repeated(1, row, loop.index), flags=("contract",))
            builder.store(builder.fadd(builder.load(total), product, flags=("contract",)), total)
    for row, total in zip(own, totals, strict=True):
        code.store(builder.load(total), 0, row, first)
    return context.get_dummy_value()


class _VectorCode:
    """Writes loads and stores of vectors into a kernel whose first argument is an array of real numbers."""

    def __init__(
        self, context: Any, builder: Any, signature: Any, arguments: Any, n_lanes: int
    ) -> None:
        self.context, self.builder, self.kinds = context, builder, signature.args
        self.arguments = arguments
        kind = self.kinds[0].dtype
        self.vector = ir.VectorType(context.get_data_type(kind), n_lanes)
        #: Rows begin anywhere.
        self.alignment = kind.bitwidth // 8

    def load(self, argument: int, *indices: Any) -> Any:
        """Return as many numbers as the vector is long, from one place of an array."""
        return self.builder.load(self._row(argument, indices), align=self.alignment)

    def store(self, value: Any, argument: int, *indices: Any) -> None:
        """Write a vector to one place of an array."""
        self.builder.store(value, self._row(argument, indices), align=self.alignment)

    def repeated(self, argument: int, *indices: Any) -> Any:
        """Return one number of an array in all places of a vector."""
        undefined = ir.Constant(self.vector, ir.Undefined)
        everywhere = ir.Constant(ir.VectorType(_LANE, self.vector.count), [0] * self.vector.count)
        number = self.builder.load(self._place(argument, indices))
        first = self.builder.insert_element(undefined, number, ir.Constant(_LANE, 0))
        return self.builder.shuffle_vector(first, undefined, everywhere)

    def _row(self, argument: int, indices: Any) -> Any:
        return self.builder.bitcast(self._place(argument, indices), self.vector.as_pointer())

    def _place(self, argument: int, indices: Any) -> Any:
        kind = self.kinds[argument]
        array = self.context.make_array(kind)(self.context, self.builder, self.arguments[argument])
        return cgutils.get_item_pointer(  # type: ignore[no-untyped-call]
            self.context, self.builder, kind, array, indices
        )
