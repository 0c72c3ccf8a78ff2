"""Norms over several processes: two of them give what one with the whole batch gives."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as distributed
from torch import Tensor

from launching import launch
from rabit.layers.normalisation import BatchNorm, InstanceNorm, synchronise_norms
from rabit.layers.synchronised import Group, synchronised_norm

DTYPES = {"float64": (torch.float64, 1e-10), "float32": (torch.float32, 1e-5)}
# Samples of each process: as many, or not.
SHARES = {"even": (2, 2), "uneven": (1, 3)}


class Alone(Group):
    """One process that shares with nobody."""

    def gather(self, own: Tensor) -> Tensor:
        return own.unsqueeze(0)


def batch(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Returns four samples, far from 0 against their deviation, and a direction."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, 3, 5, 4, generator=generator, dtype=torch.float64) * 2 + 20
    x = x + torch.arange(4).view(-1, 1, 1, 1)
    direction = torch.randn(4, 3, 5, 4, generator=generator, dtype=torch.float64)
    return x.to(dtype), direction.to(dtype)


def two_steps(norm: BatchNorm, x: Tensor, direction: Tensor) -> dict[str, Tensor]:
    """Returns the second step's values and gradients, and the running averages after it."""
    norm(x * 0.5 - 1)
    x = x.clone().requires_grad_()
    y = norm(x)
    (gradient,) = torch.autograd.grad(y, x, direction)
    return {"values": y.detach(), "gradient": gradient} | norm.state_dict()


def one_process(folder: str) -> None:
    """Computes this process's share of all cases and writes them."""
    distributed.init_process_group("gloo")
    rank = distributed.get_rank()
    found: dict[str, Any] = {}
    for name, (dtype, _) in DTYPES.items():
        for share, counts in SHARES.items():
            norm = BatchNorm(3).to(dtype)
            synchronise_norms(norm)
            # A moving average of the network copies it.
            assert copy.deepcopy(norm).group is norm.group
            own = slice(sum(counts[:rank]), sum(counts[: rank + 1]))
            found[f"{name} {share}"] = two_steps(norm, *(part[own] for part in batch(dtype)))
    torch.save(found, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, Tensor]]]:
    """What both processes found."""
    if not distributed.is_available() or not distributed.is_gloo_available():
        pytest.skip("this torch has no gloo")
    folder: Path = tmp_path_factory.mktemp("group")
    for code, _, error in launch([[__file__, str(folder)]] * 2):
        assert code == 0, error
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("name", DTYPES)
def test_two_processes_are_one_with_the_whole_batch(
    found: list[dict[str, dict[str, Tensor]]], name: str, share: str
) -> None:
    dtype, tolerance = DTYPES[name]
    first, second = (each[f"{name} {share}"] for each in found)
    expected = two_steps(BatchNorm(3).to(dtype), *batch(dtype))
    for key in ("values", "gradient"):
        together = torch.cat([first[key], second[key]])
        torch.testing.assert_close(together, expected[key], rtol=tolerance, atol=tolerance)
    for key in ("running_mean", "running_var", "num_batches_tracked"):
        assert torch.equal(first[key], second[key])
        torch.testing.assert_close(first[key], expected[key], rtol=tolerance, atol=tolerance)


def test_the_gradient_is_exact() -> None:
    x = torch.randn(2, 2, 3, 2, dtype=torch.float64, requires_grad=True)

    def normalise(features: Tensor) -> Tensor:
        return synchronised_norm(features, None, None, 0.1, 1e-5, Alone())

    assert torch.autograd.gradcheck(normalise, x)
    torch.testing.assert_close(normalise(x), BatchNorm(2).double()(x), rtol=1e-12, atol=1e-12)


def test_half_precision_has_statistics_in_float32() -> None:
    x = torch.randn(2, 3, 16, 16).mul(3).add(40).bfloat16()
    running = torch.zeros(3), torch.ones(3)
    y = synchronised_norm(x, *running, 1.0, 1e-5, Alone())
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(running[0], x.float().mean((0, 2, 3)), rtol=1e-5, atol=0)
    torch.testing.assert_close(running[1], x.float().var((0, 2, 3)), rtol=1e-5, atol=0)


def test_one_position_in_all_is_an_error() -> None:
    with pytest.raises(ValueError, match="one position|1 position"):
        synchronised_norm(torch.zeros(1, 3, 1, 1), None, None, 0.1, 1e-5, Alone())


def test_without_processes_nothing_changes() -> None:
    norms = torch.nn.Sequential(BatchNorm(3), InstanceNorm())
    synchronise_norms(norms)
    assert isinstance(norms[0], BatchNorm)
    assert norms[0].group is None


if __name__ == "__main__":
    one_process(sys.argv[1])
