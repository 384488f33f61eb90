"""The commands that start a run: ours, accelerate's, and a batch file for Slurm."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from engines.children import python_command
from engines.training.recipe import Recipe
from engines.training.tune_recipe import Launch, TuneRecipe

WORKER = "engines.training.worker"


def launch_of(recipe: Recipe) -> Launch:
    """Where the run runs; a model from nothing is made by one process."""
    return recipe.launch if isinstance(recipe, TuneRecipe) else Launch()


def worker_command(recipe: Recipe, folder: Path) -> list[str]:
    """The command of a run on this machine: one process, or torchrun for several.

    torchrun and not accelerate, whose launcher starts one process where it was asked for two on
    CPUs, and leaves its processes behind when it is ended.
    """
    launch = launch_of(recipe)
    if launch.processes * launch.nodes == 1:
        return python_command(WORKER, str(folder))
    return python_command(
        "torch.distributed.run",
        f"--nproc-per-node={launch.processes}",
        f"--nnodes={launch.nodes}",
        f"--node-rank={launch.node}",
        f"--master-addr={launch.host}",
        f"--master-port={launch.port}",
        "--max-restarts=0",
        "-m",
        WORKER,
        str(folder),
    )


def equivalent(recipe: Recipe, folder: Path, *, gpu: bool | None = None) -> str:
    """The `accelerate launch` line of a run, or torchrun's for several processes on CPUs.

    `accelerate launch --cpu --num_processes 2` silently starts one process (accelerate 1.15), so
    there torchrun is named. `gpu`: whether there is one; None: as torch says.
    """
    if gpu is None:
        import torch

        gpu = torch.cuda.is_available()
    launch = launch_of(recipe)
    count = launch.processes * launch.nodes
    if not gpu and count > 1:
        return shlex.join(worker_command(recipe, folder))
    command = ["accelerate", "launch", f"--num_processes={count}", f"--num_machines={launch.nodes}"]
    if launch.nodes > 1:
        command += [
            f"--machine_rank={launch.node}",
            f"--main_process_ip={launch.host}",
            f"--main_process_port={launch.port}",
        ]
    if not gpu:
        command.append("--cpu")
    elif count > 1:
        command.append("--multi_gpu")
    # The recipe decides the precision; accelerate is only told not to choose another.
    command += ["--mixed_precision=no", "--dynamo_backend=no", "-m", WORKER, str(folder)]
    prefix = ""
    if launch.gpus:
        prefix = f"CUDA_VISIBLE_DEVICES={','.join(map(str, launch.gpus))} "
    return prefix + shlex.join(command)


def sbatch(recipe: Recipe, folder: Path, *, hours: float = 24.0) -> str:
    """A batch file for Slurm: submit it with `sbatch FILE` from any folder.

    Two minutes before the time is over Slurm's signal makes the run save and end, and the job is
    put back into Slurm's queue, where it goes on from that checkpoint.
    """
    launch = launch_of(recipe)
    folder = folder.absolute()
    minutes = max(5, round(hours * 60))
    worker = [
        str(Path(sys.executable).absolute()),
        "-P",
        *("-m", "torch.distributed.run"),
        '--nnodes="$SLURM_NNODES"',
        f"--nproc-per-node={launch.processes}",
        "--rdzv-backend=c10d",
        '--rdzv-id="$SLURM_JOB_ID"',
        f'--rdzv-endpoint="$head:{launch.port}"',
        *("-m", WORKER, shlex.quote(str(folder))),
    ]
    name = shlex.quote(f"kwtui-{folder.name}")
    quoted = shlex.quote(str(folder))
    return f"""#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --nodes={launch.nodes}
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node={launch.processes}
#SBATCH --cpus-per-task={8 * launch.processes}
#SBATCH --time={minutes // 60}:{minutes % 60:02}:00
#SBATCH --output={folder}/slurm-%j.txt
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
# The folder of the run must lie where every node sees it.
export HF_HUB_OFFLINE=1 PYTHONSAFEPATH=1 PYTHONUTF8=1
run={quoted}
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
stopping=
trap 'stopping=1; touch "$run/stop"' USR1
srun {" ".join(worker)} &
job=$!
wait "$job"
code=$?
# A signal ends the waiting, not the job.
while [ "$code" -eq $((128 + $(kill -l USR1))) ]; do wait "$job"; code=$?; done
if [ -n "$stopping" ]; then scontrol requeue "$SLURM_JOB_ID"; fi
exit "$code"
"""
