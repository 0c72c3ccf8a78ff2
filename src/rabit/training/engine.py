"""The engine: how the steps of a training are computed, on whatever there is."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from rabit.data.batch import Batch
from rabit.layers.convolution import hold_spectral
from rabit.layers.normalisation import synchronise_norms
from rabit.layers.recompute import set_recompute
from rabit.model.compiled import compile_networks
from rabit.training.checkpoint import TrainState
from rabit.training.processes import Processes, random_state, restore_random_state

ACCELERATE = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}
SKIPPED_IN_A_ROW = 100
# The losses that read the generated images.
READING = ("perc", "cxt", "pse", "adv", "fm")


class Engine:
    """Runs forward and backward passes of a training on its processes, in its precision.

    The gradients that its optimisers apply are those of the whole batch, whatever the number of
    processes and of parts: every loss is a mean over samples, batch norms share their statistics
    between processes (not between parts, which follow each other), and the vectors of spectral
    norms stay the same throughout a step.

    Args:
        state: the training; its random states are restored.
        processes: those that train together.

    Raises:
        ValueError: the batch does not split evenly, or the precision needs another device.
    """

    def __init__(self, state: TrainState, processes: Processes) -> None:
        config = state.config
        self.state, self.config, self.processes = state, config.engine, processes
        self.parts = config.engine.accumulate
        check_split(config.train.batch, processes.count, self.parts)
        seen = [n for n in READING if getattr(config.losses, n) > 0]
        if processes.count > 1 and not seen:
            raise ValueError(
                f"no loss reads the generated images, so nothing of the generator is learned that "
                f"processes could share; turn one of {', '.join(READING)} on, or use one process"
            )
        if config.engine.precision == "float16" and processes.device.type == "cpu":
            raise ValueError(
                "engine.precision is float16, which is scaled for GPUs; on a CPU choose bfloat16"
            )
        # Its settings are global; a second training in one process would find those of the first.
        AcceleratorState._reset_state()
        self.accelerator = Accelerator(
            cpu=processes.device.type == "cpu",
            mixed_precision=ACCELERATE[config.engine.precision],
            rng_types=[],
        )
        if processes.count > 1:
            synchronise_norms(state.network)
        for network in (state.network, state.discriminator):
            hold_spectral(network)
            set_recompute(network, config.engine.recompute)
        if config.engine.compile:
            compile_networks(state.network, state.discriminator)
        self.network = self._share(state.network)
        self.discriminator = self._share(state.discriminator)
        self.generator_optimiser, self.discriminator_optimiser = (
            self.accelerator.prepare_optimizer(optimiser, device_placement=False)
            for optimiser in (state.generator_optimiser, state.discriminator_optimiser)
        )
        self.skipped: dict[nn.Module, int] = {}
        self._restore(state)

    def _share(self, network: nn.Module) -> nn.Module:
        """Has the processes average a network's gradients."""
        if self.processes.count == 1:
            return network
        # Buffers follow from weights that are the same everywhere. To send them at each forward
        # pass would change them between the passes that one backward pass goes through.
        with warnings.catch_warnings():
            # Its new name is not known to every release that this runs on.
            warnings.filterwarnings("ignore", message=".*broadcast_buffers", category=FutureWarning)
            return DistributedDataParallel(
                network, broadcast_buffers=False, gradient_as_bucket_view=True
            )

    def precision(self) -> AbstractContextManager[Any]:
        """Returns what forward passes and losses are computed in."""
        return nullcontext() if self.config.precision == "float32" else self.accelerator.autocast()

    @contextmanager
    def part(self, network: nn.Module, last: bool) -> Iterator[None]:
        """Surrounds the passes of one part of a batch: only the last one's are averaged."""
        if isinstance(network, DistributedDataParallel) and not last:
            with network.no_sync():
                yield
        else:
            yield

    def backward(self, loss: Tensor) -> None:
        """Adds the gradients of a part's loss."""
        self.accelerator.backward(loss / self.parts)

    def apply(self, optimiser: Any, network: nn.Module, clip: float) -> bool:
        """Takes an optimiser's step.

        Args:
            optimiser: one of the engine's.
            network: what it optimises.
            clip: largest norm of the gradients; 0 for any.

        Returns:
            Whether the step was taken: with float16 one whose scaled gradients overflow is not.

        Raises:
            FloatingPointError: too many steps in a row overflowed.
        """
        if clip:
            # Accelerate's own way would divide the other optimiser's old gradients as well, and
            # count their overflow again.
            self.accelerator.unscale_gradients(optimiser)
            torch.nn.utils.clip_grad_norm_(network.parameters(), clip)
        optimiser.step()
        # Of each network, so that steps of the other one do not hide them.
        skipped = self.skipped.get(network, 0) + 1 if optimiser.step_was_skipped else 0
        self.skipped[network] = skipped
        if skipped >= SKIPPED_IN_A_ROW:
            raise FloatingPointError(
                f"step {self.state.step}: gradients overflowed float16 {skipped} times in a row; "
                "resume with --set engine.precision=bfloat16 or float32"
            )
        return not skipped

    def mean(self, parts: Sequence[Mapping[str, Tensor | float]]) -> dict[str, float]:
        """Returns the means of named figures over this process's parts and all processes."""
        names, device = list(parts[0]), self.processes.device
        rows = [
            torch.stack(
                [torch.as_tensor(part[n], dtype=torch.float64, device=device) for n in names]
            )
            for part in parts
        ]
        means = self.processes.mean(torch.stack(rows).mean(dim=0))
        return dict(zip(names, means.tolist(), strict=True))

    def pairs_of_a_part(self, parts: Sequence[Batch]) -> float:
        """Returns the mean number of paired samples of a part, of those of all processes.

        Where the whole batch has none it is as if it had one: what is divided by it is 0.
        """
        [pairs] = self.mean([{"n": part.paired.sum()} for part in parts]).values()
        return max(pairs, 1 / (self.parts * self.processes.count))

    @property
    def scaled(self) -> bool:
        """Whether gradients are scaled, so that they may overflow and no harm is done."""
        return self.accelerator.scaler is not None

    def state_dict(self) -> dict[str, Any]:
        """Returns what a resumed training has to know; every process has to call this."""
        scaler = self.accelerator.scaler
        return {
            "random": self.processes.gather(random_state()),
            "scaler": None if scaler is None else scaler.state_dict(),
        }

    def _restore(self, state: TrainState) -> None:
        saved = state.engine
        seed = state.config.train.seed
        restore_random_state(saved.get("random", []), self.processes.rank, seed)
        scaler = self.accelerator.scaler
        if scaler is not None and saved.get("scaler"):
            scaler.load_state_dict(saved["scaler"])


def check_split(batch: int, processes: int, parts: int) -> None:
    """Refuses a batch that its processes and parts cannot share.

    Raises:
        ValueError: names the numbers.
    """
    if batch % (processes * parts):
        raise ValueError(
            f"train.batch is {batch}, but {processes} processes of {parts} parts each need a "
            f"multiple of {processes * parts}; change --batch or engine.accumulate"
        )


def memory_used(device: torch.device) -> int:
    """Returns the most bytes that were in use so far: of a GPU's allocator, or by this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        import resource  # Windows has none
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
