"""The training loop: epochs of optimiser steps, each epoch judged, logged and saved so that it can go on after any end.

No random state is carried: what an epoch and a step draw follows from the seed and their numbers. So a resumed run
is, bit for bit, the run that was never interrupted.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from backbone import CephModel
from checkpoint import BEST_NAME, INTERRUPTED_NAME, epoch_path, remove_old_checkpoints, save_checkpoint
from config import Config, UserError
from dataset import EpochPlan, FilmDataset, make_loader, seed_of
from files import write_json
from films import Film
from inference import Predictor
from losses import film_losses
from model import to_network_input
from neck_dataset import NeckDataset
from neck_scoring import find_necks, score_necks
from processes import Processes
from schedule import Progress, learning_rate
from scoring import score_films, selection_score
from training_log import TrainingLog, is_own_log, make_row
from vertebra_finder import VertebraFinder


class Interrupted(Exception):
    """The user asked to stop, and everything is saved."""


class Trainer:
    """One run: its model, its optimiser and how far it is."""

    def __init__(
        self,
        config: Config,
        model: CephModel,
        train_set: FilmDataset | NeckDataset,
        valid_set: FilmDataset | list[Film] | None,
        run: Path,
        device: torch.device,
        processes: Processes | None = None,
        workers: int = 0,
        frozen_at_start: bool = False,
        facts: dict | None = None,
        log: TrainingLog | None = None,
        quiet: bool = False,
    ):
        self.config, self.run, self.device = config, run, device
        self.processes = processes or Processes()
        self.train_set, self.valid_set, self.workers = train_set, valid_set, workers
        self.quiet = quiet or not self.processes.is_main
        self.model = model.to(device=device, memory_format=torch.channels_last)
        self.average = make_average(self.model, config.ema_decay)
        self.optimizer = make_optimizer(self.model, config)
        self.autocast_dtype = pick_precision(config.precision, device)
        # Only fp16 needs its losses scaled; disabled, the scaler passes everything through, so there is one path.
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.autocast_dtype == torch.float16)
        self.plan = EpochPlan(len(train_set), config, self.processes.rank, self.processes.world)
        self.loader = make_loader(train_set, self.plan, workers, device)
        self.frozen_at_start = frozen_at_start
        self.facts = facts or {}
        self.log = log
        self.progress = Progress()
        self.history: list[dict] = []
        self.epoch, self.step = 0, 0  # finished epochs, and finished steps of the next one
        self.loss_sum, self.seconds = 0.0, 0.0  # of that next epoch so far
        self.stop_requested = False

    # --- the loop -----------------------------------------------------------------------------------------------------

    def fit(self, on_epoch: Callable[[dict, bool], None] = lambda row, best: None) -> None:
        """Trains to the last epoch or until early stopping; `on_epoch` gets each epoch's row and whether it is the
        best.

        Raises:
            Interrupted: `stop_requested` was set; the run is saved.
            UserError: the loss is not finite.
        """
        network, is_free = None, None
        while self.epoch < self.config.epochs and not self.progress.should_stop(self.config):
            started = time.perf_counter()
            was_free, is_free = is_free, self.apply_freezing()
            if network is None or is_free != was_free:  # processes agree once on which gradients they average
                network = self.processes.wrap(self.model, self.device)
            self.train_epoch(network, started)
            figures, valid_loss = self.processes.share(self.judge() if self.processes.is_main else None)
            self.finish_epoch(figures, valid_loss, started, on_epoch)

    def train_epoch(self, network: nn.Module, started: float) -> None:
        """Takes the remaining optimiser steps of the next epoch."""
        self.model.train()
        self.plan.start(self.epoch + 1, self.step)
        batch_sizes = [len(batch) for batch in self.plan.batches()]
        pieces = iter(self.loader)
        title = f"Epoch {self.epoch + 1}/{self.config.epochs}"
        hidden = self.quiet or None  # None: in a log file, too, where each step would leave its trace
        bar = tqdm(total=self.plan.steps, initial=self.step, desc=title, unit="step", disable=hidden, leave=False)
        with bar:
            while self.step < self.plan.steps:
                if self.must_stop():
                    self.save_interrupted(started)
                    raise Interrupted
                self.set_learning_rate()
                torch.manual_seed(seed_of("step", self.config.seed, self.epoch, self.step, self.processes.rank))
                self.loss_sum += self.train_step(network, pieces, batch_sizes[self.step])
                self.step += 1
                bar.update()

    def train_step(self, network: nn.Module, pieces: Iterator[dict], batch_size: int) -> float:
        """One optimiser step over `batch_size` films in all processes; returns the sum of this process's losses."""
        self.optimizer.zero_grad(set_to_none=True)
        loss_sum = 0.0
        for piece in range(self.config.accumulate):
            is_last = piece == self.config.accumulate - 1
            batch = next(pieces)
            with network.no_sync() if self.processes.world > 1 and not is_last else nullcontext():
                total = self.forward(network, batch).sum()
                # Processes average their gradients, hence the factor: the step is that of the mean over all films.
                self.scaler.scale(total * (self.processes.world / batch_size)).backward()
            loss_sum += total.item()
        self.scaler.unscale_(self.optimizer)
        if self.config.gradient_clip:
            for parameters in self.model.gradient_groups():
                nn.utils.clip_grad_norm_(parameters, self.config.gradient_clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average is not None:
            self.average.update_parameters(self.model)
        return loss_sum

    def forward(self, network: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """The losses (B,) of a piece.

        Raises:
            UserError: one of them is not finite; names the films.
        """
        inputs = [to_network_input(batch["image"], self.device)]
        if "thumbnails" in batch:
            inputs.append(to_network_input(batch["thumbnails"].flatten(0, 1), self.device))
        names = {"points_net", "box_net", "stage", "thumbnail_points", "kinds"} & set(batch)
        targets = {name: batch[name].to(self.device, non_blocking=True) for name in names}
        enabled = self.autocast_dtype != torch.float32
        with torch.autocast(self.device.type, dtype=self.autocast_dtype if enabled else None, enabled=enabled):
            outputs = network(*inputs)
        terms = film_losses(outputs, targets, self.config)
        if not torch.isfinite(terms["total"]).all():
            films = ", ".join(self.train_set.films[index].film_id for index in batch["index"].tolist())
            shown = ", ".join(f"{name} {term.tolist()}" for name, term in terms.items())
            raise UserError(
                f"The loss is not finite in epoch {self.epoch + 1} with films {films} ({shown}); "
                "look at these films, lower --learning-rate, or use --precision float32."
            )
        return terms["total"]

    def apply_freezing(self) -> bool:
        """Freezes or frees the backbone as the coming epoch asks; whether it is free."""
        is_free = not self.frozen_at_start or self.epoch >= self.config.freeze_epochs
        if self.frozen_at_start:
            self.model.set_backbone_trainable(is_free)
        return is_free

    def set_learning_rate(self) -> float:
        """Gives the optimiser the rate of the coming step."""
        done = self.epoch + self.step / self.plan.steps
        rate = learning_rate(self.config, done, self.progress.plateau_share, self.frozen_at_start)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def request_stop(self) -> None:
        """Has `fit` save and end after the step under way."""
        self.stop_requested = True

    def must_stop(self) -> bool:
        """Whether any process was asked to stop; all must agree, or the others would wait for ever."""
        return self.processes.add([float(self.stop_requested)], self.device)[0] > 0

    # --- the end of an epoch ------------------------------------------------------------------------------------------

    def judged_model(self) -> CephModel:
        """The weights that are judged and kept: the moving average, where there is one."""
        return self.average.module if self.average is not None else self.model

    def judge(self) -> tuple[dict | None, float | None]:
        """Figures and loss of the validation films, as evaluate.py has them but for necks in doubt (see `find_necks`);
        None without such films, or in an epoch that is not judged.
        """
        if self.valid_set is None or not self.is_judged(self.epoch + 1):
            return None, None
        if self.config.finds_vertebrae:
            finder = VertebraFinder(self.judged_model(), self.config, self.device)
            necks = score_necks(self.valid_set, find_necks(finder, self.valid_set))
            return {"landmarks": None, "cvm": None, "vertebrae": necks}, None
        predictor = Predictor(self.judged_model(), self.config, self.device)
        predictions, losses = predictor.predict_films(self.valid_set, self.workers, self.quiet)
        return score_films(self.valid_set.films, predictions, self.config), losses["total"]

    def is_judged(self, epoch: int) -> bool:
        """Whether the validation films are looked at after this epoch, counted from 1."""
        return epoch % self.config.judge_every == 0 or epoch == self.config.epochs

    def finish_epoch(self, figures: dict | None, valid_loss: float | None, started: float, on_epoch: Callable) -> None:
        """Counts the epoch, keeps the best weights, writes the log and the checkpoint."""
        self.epoch, self.step = self.epoch + 1, 0
        train_loss = self.processes.add([self.loss_sum], self.device)[0] / len(self.train_set)
        if figures is not None:
            is_best = self.progress.record(selection_score(figures), self.epoch, self.config)
        else:
            is_best = self.valid_set is None
        seconds = self.seconds + time.perf_counter() - started
        rate = self.optimizer.param_groups[0]["lr"]
        row = make_row(self.epoch, train_loss, valid_loss, figures) | {
            "learning_rate": rate,
            "seconds": round(seconds, 1),
        }
        self.history.append(row)
        self.loss_sum, self.seconds = 0.0, 0.0
        if self.processes.is_main:
            self.save_epoch(figures, is_best)
            on_epoch(row, is_best)

    def save_epoch(self, figures: dict | None, is_best: bool) -> None:
        """Writes the best weights, the checkpoint, which counts the epoch as done, and the log.

        A run killed before its first checkpoint begins again with a log of its own, so the log comes after; `restore`
        adds what a kill between the two kept from it.
        """
        if is_best:
            facts = self.facts | {"epoch": self.epoch, "valid": figures}
            content = {"model": self.judged_model().state_dict(), "config": self.config.to_json(), "facts": facts}
            save_checkpoint(self.run / BEST_NAME, content)
        write_json(self.run / "config.json", self.config.to_json())
        save_checkpoint(epoch_path(self.run, self.epoch), self.state())
        if self.log is not None:
            was_claimed = self.log.claimed
            self.log.write(self.history)
            if not was_claimed:  # the checkpoint must know the name that the log got
                save_checkpoint(epoch_path(self.run, self.epoch), self.state())
        (self.run / INTERRUPTED_NAME).unlink(missing_ok=True)
        remove_old_checkpoints(self.run)

    def save_interrupted(self, started: float) -> None:
        """Saves in the middle of an epoch."""
        self.seconds += time.perf_counter() - started
        self.loss_sum = self.processes.add([self.loss_sum], self.device)[0]
        if self.processes.is_main:
            save_checkpoint(self.run / INTERRUPTED_NAME, self.state())

    # --- going on -----------------------------------------------------------------------------------------------------

    def state(self) -> dict:
        """Everything that a resumed run needs, in plain types and tensors."""
        return {
            "config": self.config.to_json(),
            "model": self.model.state_dict(),
            "ema": None if self.average is None else self.average.module.state_dict(),
            "ema_steps": None if self.average is None else int(self.average.n_averaged),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "loss_sum": self.loss_sum,
            "seconds": self.seconds,
            "progress": self.progress.to_json(),
            "history": self.history,
            "frozen_at_start": self.frozen_at_start,
            "facts": self.facts,
            "log_path": None if self.log is None else self.log.path.as_posix(),
            "log_claimed": self.log is not None and self.log.claimed,
        }

    def restore(self, state: dict) -> None:
        """Goes on from what `state` returned."""
        self.model.load_state_dict(state["model"])
        if self.average is not None:
            self.average.module.load_state_dict(state["ema"])
            self.average.n_averaged.fill_(state["ema_steps"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.epoch, self.step, self.history = state["epoch"], state["step"], state["history"]
        # The other processes' losses were added to the main one's when the run was interrupted.
        self.loss_sum = state["loss_sum"] if self.processes.is_main else 0.0
        self.seconds = state["seconds"]
        self.progress = Progress(**state["progress"])
        self.frozen_at_start = state["frozen_at_start"]
        self.log = None
        if state["log_path"] is not None:
            path = Path(state["log_path"])
            self.log = TrainingLog(path, state.get("log_claimed", True) or is_own_log(path, self.history))
            if self.processes.is_main:
                self.log.write(self.history)


def make_optimizer(model: nn.Module, config: Config) -> torch.optim.Optimizer:
    """AdamW; weights decay, biases and the scales of normalisation do not."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=config.learning_rate)


def make_average(model: nn.Module, decay: float) -> AveragedModel | None:
    """The moving average of the weights, batch statistics included; it forgets faster at first, when they still
    move far.
    """
    if not decay:
        return None

    def move(averages: list[torch.Tensor], currents: list[torch.Tensor], steps: torch.Tensor) -> None:
        done = float(steps)
        if averages[0].is_floating_point():
            torch._foreach_lerp_(averages, currents, 1.0 - min(decay, (1.0 + done) / (10.0 + done)))
        else:  # counters
            torch._foreach_copy_(averages, currents)

    return AveragedModel(model, multi_avg_fn=move, use_buffers=True)


def pick_precision(name: str, device: torch.device) -> torch.dtype:
    """The arithmetic of training: "auto" takes bf16 where the hardware has units for it, fp16 on older cards, else
    float32.
    """
    if name != "auto":
        return {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[name]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float16
    # Without AMX bf16 convolutions work too, but take longer than float32 (`benchmarks.training --only variants`).
    return torch.bfloat16 if torch.cpu._is_amx_tile_supported() else torch.float32
