"""Kill a training run again and again with ``kill -9``; what comes out must not differ in one bit.

A child process trains a small LSTM with dropout on the yearly numbers of sunspots (1700 to 2008, public domain), with a
checkpoint every few steps. It is killed at random moments: while it starts, while it trains, and in the middle of a
save. Each time it is started again until the run is finished; then the next run begins, until all kills are done.
Compared with an undisturbed run: every logged loss and validation, and the SHA-256 of the last checkpoint with the
weights, the best weights, the optimiser and the random states. A damaged checkpoint met by a child is a failure too.

    PYTHONPATH=src python benchmarks/faults/kill_training.py --kills 40 --seed 0
"""

import argparse
import collections
import csv
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SUNSPOTS = Path(__file__).with_name("sunspots.csv")
STEPS = 240
CHECKPOINT_STEPS = 3


def child(folder):
    """Train in ``folder`` from wherever the last child was killed."""
    # Imported here: the parent only kills and compares.
    import torch
    from torch import nn

    from recurra.training.loop import fit, seeded
    from recurra.training.options import TrainingOptions

    class Forecaster(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(1, 16, 2, batch_first=True, dropout=0.2)
            self.dropout = nn.Dropout(0.2)
            self.head = nn.Linear(16, 1)

        def forward(self, x):  # [B, T] -> [B]
            return self.head(self.dropout(self.lstm(x.unsqueeze(-1))[0][:, -1])).squeeze(-1)

    class Windows:
        def __init__(self, values):  # [N, 29]
            self.values = values

        def __len__(self):
            return len(self.values)

        lengths = None

        def batch(self, index):
            return self.values[index]

        def name(self, index):
            return f"years {1700 + index} to {1728 + index}"

    def squared_error(model, windows):
        if model.training:
            calls.append(True)
            if len(calls) == 2:
                print("one step is done", flush=True)
        return (model(windows[:, :-1]) - windows[:, -1]).square().mean()

    with open(SUNSPOTS, encoding="utf-8") as file:
        series = torch.tensor([float(row["SUNACTIVITY"]) for row in csv.DictReader(file)])
    windows = ((series - series.mean()) / series.std()).unfold(0, 29, 1)  # [281, 29]
    held_out = windows[-50:].clone()
    options = TrainingOptions(
        steps=STEPS,
        batch_size=16,
        learning_rate=2e-3,
        epoch_steps=20,
        average=0.98,
        threads=1,
        checkpoint_steps=CHECKPOINT_STEPS,
        log_steps=1,
    )
    calls = []
    with seeded(options.seed):
        model = Forecaster()
    fit(
        model,
        Windows(windows[:-78].clone()),
        squared_error,
        options,
        validate=lambda model: squared_error(model, held_out).item(),
        folder=folder,
    )


def start(folder):
    command = [sys.executable, "-W", "error::RuntimeWarning", __file__, "--child", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    """Wait for a child that is left alone; its failure is ours."""
    _, errors = process.communicate()
    if process.returncode:
        sys.exit(f"FAILED: a child could not go on:\n{errors}")


def log_of(folder):
    """The whole lines of the log, without the times."""
    path = folder / "log.jsonl"
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    records = [json.loads(line) for line in lines]
    return [{name: value for name, value in record.items() if name != "seconds"} for record in records]


def last_checkpoint(folder):
    return hashlib.sha256((folder / f"checkpoint-{STEPS}.safetensors").read_bytes()).hexdigest()


def unfinished(folder):
    """The files that are being written, or were when a child was killed."""
    return {path.name for path in folder.glob(".unfinished-*")}


def wait_for(process, folder, moment, chance, duration):
    """Wait until a kill of the wanted kind is due, or the child has ended."""
    if moment == "start":
        time.sleep(chance.uniform(0, duration["start"]))
        return
    left_over = unfinished(folder)
    process.stdout.readline()
    time.sleep(chance.uniform(0, duration["train"] / 4))
    if moment == "save":
        while process.poll() is None and unfinished(folder) <= left_over:
            pass
        time.sleep(chance.uniform(0, 0.003))  # so that any part of it may be hit


def undisturbed(folder):
    """Run once to the end; returns its log, its last checkpoint and how long its two parts took."""
    began = time.perf_counter()
    process = start(folder)
    process.stdout.readline()
    started = time.perf_counter()
    finish(process)
    duration = {"start": started - began, "train": time.perf_counter() - started}
    return log_of(folder), last_checkpoint(folder), duration


def kill_one(folder, moment, chance, duration):
    """Start a child and kill it; returns what to print, or None if it was done before."""
    left_over = unfinished(folder)
    process = start(folder)
    wait_for(process, folder, moment, chance, duration)
    if process.poll() is not None:
        finish(process)
        return None
    process.kill()
    process.communicate()
    in_save = not unfinished(folder) <= left_over
    return "in a save" if in_save else f"in the {'start' if moment == 'start' else 'training'}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        return compare(Path(folder), arguments.kills, random.Random(arguments.seed))


def compare(folder, kills, chance):
    log, checkpoint, duration = undisturbed(folder / "undisturbed")
    print(f"undisturbed: {STEPS} steps, {duration['train']:.2f} s after {duration['start']:.2f} s of start")
    done, run, differences, places = 0, 0, 0, collections.Counter()
    while done < kills:
        run += 1
        here = folder / f"run-{run}"
        while done < kills:
            place = kill_one(here, chance.choice(["start", "train", "train", "save"]), chance, duration)
            if place is None:
                break
            done += 1
            places[place] += 1
            so_far = log_of(here)
            differences += so_far != log[: len(so_far)]
            print(f"kill {done:3} in run {run}: {place:15} after {len(so_far):4} lines of the log", flush=True)
        finish(start(here))
        same = log_of(here) == log, last_checkpoint(here) == checkpoint
        differences += not all(same)
        print(
            f"run {run} finished: log {'same' if same[0] else 'DIFFERENT'}, last checkpoint "
            f"{'same' if same[1] else 'DIFFERENT'}",
            flush=True,
        )
    print(
        f"{done} kills ({', '.join(f'{count} {place}' for place, count in places.items())}) in {run} runs: "
        f"{differences} differences"
    )
    return int(differences > 0)


if __name__ == "__main__":
    sys.exit(main())
