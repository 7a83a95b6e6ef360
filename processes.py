"""One training over several processes (torchrun), or alone: the same calls, which do nothing when there is only one.

Processes may lie on several machines, which need not see each other's disks: what the main process reads and decides
it shares.
"""

import gc
import os
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

LONGEST_WAIT = timedelta(hours=6)  # while the main process prepares films and validates; torchrun ends it if one dies


@dataclass(frozen=True)
class Processes:
    """This process's place among all that train together."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0  # on its machine

    @property
    def is_main(self) -> bool:
        """Whether this process validates, prints and writes."""
        return self.rank == 0

    @property
    def is_first_here(self) -> bool:
        """Whether this process prepares the films on its machine."""
        return self.local_rank == 0

    @property
    def place(self) -> float:
        """How far along the list of machines its own is, 0-1."""
        return self.rank / self.world

    def wrap(self, model: nn.Module, device: torch.device) -> nn.Module:
        """The model as it is called in training; gradients are averaged over the processes."""
        if self.world == 1:
            return model
        return DistributedDataParallel(model, device_ids=[device.index] if device.type == "cuda" else None)

    def share(self, value: object) -> object:
        """The main process's value, on every process."""
        box = [value]
        if self.world > 1:
            distributed.broadcast_object_list(box, src=0)
        return box[0]

    def wait(self) -> None:
        """Returns when every process has come here."""
        self.share(None)

    def add(self, values: list[float], device: torch.device) -> list[float]:
        """Each value summed over the processes."""
        if self.world == 1:
            return values
        total = torch.tensor(values, dtype=torch.float64, device=device)
        distributed.all_reduce(total)
        return total.tolist()


def join_processes(device: torch.device) -> tuple[Processes, torch.device]:
    """Joins the processes that torchrun started, each with its own card; alone where it started none."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return Processes(), device
    local_rank = int(os.environ["LOCAL_RANK"])
    if device.type == "cuda":
        device = torch.device("cuda", local_rank)
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=LONGEST_WAIT)
    return Processes(distributed.get_rank(), world, local_rank), device


def leave_processes() -> None:
    """Ends what `join_processes` began."""
    if distributed.is_available() and distributed.is_initialized():
        gc.collect()  # what still averages gradients must end before the connection does, or the process aborts
        distributed.destroy_process_group()
