"""Data-parallel training: one process alone, or several that `torchrun` started."""

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

__all__ = ["ProcessGroup"]


@dataclass(frozen=True)
class ProcessGroup:
    """This process among all that train one network.

    rank: its number, from 0. world: how many there are. device: the one that it computes on.
    Alone (world 1), all methods return what they were given.
    """

    rank: int = 0
    world: int = 1
    device: str = "cpu"

    @classmethod
    def join(cls, device: str) -> "ProcessGroup":
        """Join the group that torchrun's environment variables describe, if there is one.

        device: "cpu" or "cuda"; of several GPUs each process takes its own.
        """
        rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        if world > 1:
            if not dist.is_initialized():
                dist.init_process_group("nccl" if device == "cuda" else "gloo")
            if device == "cuda":
                device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
        return cls(rank, world, device)

    def broadcast(self, value: float) -> float:
        """Return the first process's value, in all processes."""
        if self.world == 1:
            return value
        tensor = torch.tensor([value], dtype=torch.float64, device=self.device)
        dist.broadcast(tensor, 0)
        return float(tensor)

    def mean(self, tensor: Tensor) -> Tensor:
        """Return the mean over all processes, in all processes."""
        if self.world == 1:
            return tensor
        total = tensor.clone()
        dist.all_reduce(total)
        return total / self.world

    def wrap(self, module: nn.Module) -> nn.Module:
        """Wrap a module in DistributedDataParallel, which averages its gradients."""
        return module if self.world == 1 else nn.parallel.DistributedDataParallel(module)
