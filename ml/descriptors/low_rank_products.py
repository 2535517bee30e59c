"""Low-rank invariants with gradients of their own, for torch.

    y_lh = sum_m (U_l c)_hm (V_l c)_hm           c^k_nlm = sum_Z W_Zk c^Z_nlm

Either the densities are mixed, c = W c^Z, and all factors act on them; or the factors are, U W and V W for each element,
and act on the densities as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from surfalign.ml.descriptors.kernels.factor_products import add_factor_gradients, fill_products


def factors_can_be_mixed(coefficients: Tensor) -> bool:
    """Return whether :func:`mixed_factor_products` can be used: on a processor, with densities that do not change."""
    return coefficients.device.type == "cpu" and not coefficients.requires_grad


def mixed_factor_products(
    coefficients: Tensor, species: Tensor, embedding: Tensor, left: Tensor, right: Tensor
) -> Tensor:
    """Form y_lh from factors that are mixed for each element.

    Parameters
    ----------
    coefficients
        c^Z_nlm, shape (n_atoms, n_slots, (l_max + 1)^2, n_max).
    species
        Atomic number of each slot, 0 where empty, shape (n_atoms, n_slots).
    embedding
        W, shape (MAX_ATOMIC_NUMBER + 1, n_channels).
    left, right
        U and V, shape (l_max + 1, n_channels * n_max, rank).

    Returns
    -------
    Tensor
        Shape (n_atoms, (l_max + 1) * rank); l runs slowest.
    """
    present, elements = torch.unique(species, return_inverse=True)
    weights = nn.functional.embedding(present, embedding)
    # Channels first, so that the factors of all elements are one matrix product.
    by_channel = [
        side.unflatten(1, (embedding.shape[1], -1)).transpose(0, 1) for side in (left, right)
    ]
    factors = torch.cat(by_channel, dim=3)
    mixed = (weights @ factors.flatten(1)).view(-1, *factors.shape[1:])
    products: Tensor = _MixedFactorProducts.apply(  # type: ignore[no-untyped-call]
        coefficients, elements.masked_fill(species == 0, -1), mixed.to(coefficients.dtype)
    )
    return products


class _MixedFactorProducts(torch.autograd.Function):
    """y_lh of densities as they are, from factors that are mixed for each element.

    A slab holds fewer elements than there are channels, and densities that nobody learns need no gradient: of the products
    that mixed densities of four channels take, half remain for binaries, and nothing large is written to memory.
    """

    @staticmethod
    def forward(ctx: Any, coefficients: Tensor, elements: Tensor, factors: Tensor) -> Tensor:
        """Form the products.

        Parameters
        ----------
        ctx
            Keeps what the gradient needs.
        coefficients
            c^Z_nlm, shape (n_atoms, n_slots, (l_max + 1)^2, n_max).
        elements
            Which of the factors each slot takes, -1 where it is empty, shape (n_atoms, n_slots).
        factors
            U and V of each element side by side, shape (n_elements, l_max + 1, n_max, 2 * rank).

        Returns
        -------
        Tensor
            Shape (n_atoms, (l_max + 1) * rank); l runs slowest.
        """
        arguments = coefficients.contiguous(), elements.contiguous(), factors.contiguous()
        ctx.save_for_backward(*arguments)
        _, n_degrees, _, n_columns = factors.shape
        products = factors.new_empty(len(coefficients), n_degrees, n_columns // 2)
        fill_products(*(array.detach().numpy() for array in (*arguments, products)))
        return products.flatten(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, Tensor]:
        """Return the gradient of the factors."""
        coefficients, elements, factors = ctx.saved_tensors
        of_products = gradient.reshape(len(coefficients), factors.shape[1], -1).contiguous()
        of_factors = torch.zeros_like(factors)
        arrays = coefficients, elements, factors, of_products, of_factors
        add_factor_gradients(*(array.detach().numpy() for array in arrays))
        return None, None, of_factors


class LowRankProducts(torch.autograd.Function):
    """y_lh = sum_m (U_l c)_hm (V_l c)_hm, with gradients that write each array once.

    Left to itself torch copies the densities and their gradients for each l, which takes as long as the products.
    """

    @staticmethod
    def forward(ctx: Any, compressed: Tensor, factors: Tensor) -> Tensor:
        """Form the products.

        Parameters
        ----------
        ctx
            Keeps what the gradients need.
        compressed
            c^k_nlm, shape (n_atoms, n_channels, (l_max + 1)^2, n_max).
        factors
            U and V side by side, shape (l_max + 1, n_channels * n_max, 2 * rank).

        Returns
        -------
        Tensor
            Shape (n_atoms, (l_max + 1) * rank); l runs slowest.
        """
        n_atoms, _, n_components, _ = compressed.shape
        # m runs slowest, so that those of one l are one matrix: rows (m, atom), columns (k, n).
        densities = compressed.permute(2, 0, 1, 3).reshape(n_components, n_atoms, -1)
        sides = densities.new_empty(n_components, n_atoms, factors.shape[2])
        products = densities.new_empty(n_atoms, len(factors), factors.shape[2] // 2)
        for degree, (part, both) in enumerate(_by_degree(densities, sides)):
            torch.mm(part.flatten(0, 1), factors[degree], out=both.flatten(0, 1))
            left, right = both.chunk(2, dim=2)
            products[:, degree] = (left * right).sum(dim=0)
        ctx.save_for_backward(densities, sides, factors)
        ctx.shape = compressed.shape
        return products.flatten(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of both arguments."""
        densities, sides, factors = ctx.saved_tensors
        n_atoms, n_channels, n_components, n_max = ctx.shape
        of_products = gradient.view(n_atoms, len(factors), -1)
        of_densities, of_factors = torch.empty_like(densities), torch.empty_like(factors)
        parts = _by_degree(densities, sides, of_densities)
        for degree, (part, both, of_part) in enumerate(parts):
            of_both = torch.empty_like(both)
            for own, other in zip(
                of_both.chunk(2, dim=2), reversed(both.chunk(2, dim=2)), strict=True
            ):
                torch.mul(other, of_products[:, degree], out=own)
            rows = of_both.flatten(0, 1)
            torch.mm(part.flatten(0, 1).T, rows, out=of_factors[degree])
            torch.mm(rows, factors[degree].T, out=of_part.flatten(0, 1))
        of_compressed = of_densities.view(n_components, n_atoms, n_channels, n_max)
        return of_compressed.permute(1, 2, 0, 3), of_factors


def _by_degree(*arrays: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Yield the rows of each l of arrays whose rows are the components l^2 + l + m."""
    degrees = range(math.isqrt(len(arrays[0])))
    return zip(*(array.split([2 * l + 1 for l in degrees]) for array in arrays), strict=True)
