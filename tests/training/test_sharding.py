"""FSDP2 over gloo: two processes hold a half each and compute what one computes."""

import json
import socket
import subprocess
from pathlib import Path

import pytest

from engines.children import python_command, python_environment
from engines.training.command_line import equivalent, sbatch, worker_command
from engines.training.tune_recipe import Launch, TuneRecipe

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_shards_of_two_processes_compute_save_and_load_as_one_whole(tmp_path: Path) -> None:
    launcher = python_command(
        "torch.distributed.run", "--nproc-per-node=2", f"--master-port={free_port()}", "-m"
    )
    out = tmp_path / "found.json"
    done = subprocess.run(
        [*launcher, "tests.training.fsdp_program", str(out)],
        env=python_environment() | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(out.read_text())
    assert found["world"] == 2 and found["world_env"] == "2"
    sharded, parameters = found["dtensors"]
    assert sharded == parameters > 10, "every parameter is a DTensor"
    assert found["share"] == pytest.approx(0.5, abs=0.05)
    assert found["losses"] == pytest.approx(found["plain"], rel=1e-5)
    assert found["losses"][2:] == found["resumed"], "after loading it goes on bit for bit"
    assert found["unexpected"] == [] and found["missing"] in ([], ["lm_head.weight"])


# ---- the commands


def launched(**launch: object) -> TuneRecipe:
    return TuneRecipe(launch=Launch.model_validate(launch))


def test_one_process_is_started_plainly_and_several_by_torchrun() -> None:
    one = worker_command(launched(), Path("/runs/a"))
    assert one[1:] == ["-P", "-m", "engines.training.worker", "/runs/a"]
    two = worker_command(
        launched(processes=2, nodes=3, node=1, host="node0", port=29777), Path("/runs/a")
    )
    assert two[1:4] == ["-P", "-m", "torch.distributed.run"]
    for part in (
        *("--nproc-per-node=2", "--nnodes=3", "--node-rank=1", "--master-addr=node0"),
        *("--master-port=29777", "--max-restarts=0"),
    ):
        assert part in two
    assert two[-3:] == ["-m", "engines.training.worker", "/runs/a"]


def test_the_accelerate_line_is_one_that_accelerate_takes() -> None:
    from accelerate.commands.launch import launch_command_parser

    cases = [
        (launched(), True, {"num_processes": 1, "num_machines": 1}),
        (launched(processes=4, gpus=[0, 1, 2, 3]), True, {"num_processes": 4, "multi_gpu": True}),
        (
            launched(processes=2, nodes=2, node=1, host="node0"),
            True,
            {"num_processes": 4, "machine_rank": 1, "main_process_ip": "node0"},
        ),
        (launched(), False, {"cpu": True}),
    ]
    for recipe, gpu, wanted in cases:
        line = equivalent(recipe, Path("/runs/a b"), gpu=gpu)
        if recipe.launch.gpus:
            assert line.startswith("CUDA_VISIBLE_DEVICES=0,1,2,3 ")
            line = line.partition(" ")[2]
        import shlex

        words = shlex.split(line)
        assert words[:2] == ["accelerate", "launch"]
        parsed = launch_command_parser().parse_args(words[2:])
        assert parsed.module and parsed.training_script == "engines.training.worker"
        assert parsed.training_script_args == ["/runs/a b"]
        for name, value in wanted.items():
            assert getattr(parsed, name) == value, (name, line)


def test_two_processes_on_cpus_are_never_left_to_accelerate() -> None:
    line = equivalent(launched(processes=2), Path("/runs/a"), gpu=False)
    assert "torch.distributed.run" in line and "accelerate" not in line


def test_a_batch_file_for_slurm_is_a_shell_script_that_saves_before_its_time_is_over(
    tmp_path: Path,
) -> None:
    text = sbatch(launched(processes=4, nodes=2), tmp_path / "a run", hours=1.5)
    file = tmp_path / "run.sbatch"
    file.write_text(text)
    assert subprocess.run(["bash", "-n", str(file)], check=False).returncode == 0
    for line in (
        "--nodes=2",
        "--gpus-per-node=4",
        "--time=1:30:00",
        "--requeue",
        "--signal=B:USR1",
    ):
        assert f"#SBATCH {line}" in text
    assert 'touch "$run/stop"' in text and "--nproc-per-node=4" in text
    # What it does at the signal, without Slurm: srun and scontrol are stood in by a shell.
    (tmp_path / "a run").mkdir()
    stand_in = tmp_path / "bin"
    stand_in.mkdir()
    (stand_in / "srun").write_text('#!/bin/sh\nwhile [ ! -e "$RUN/stop" ]; do sleep 0.05; done\n')
    (stand_in / "scontrol").write_text('#!/bin/sh\necho "$@" >> "$RUN/scontrol"\necho node0\n')
    for name in ("srun", "scontrol"):
        (stand_in / name).chmod(0o755)
    environ = {"PATH": f"{stand_in}:/usr/bin:/bin", "RUN": str(tmp_path / "a run")}
    environ |= {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "n", "SLURM_NNODES": "2"}
    process = subprocess.Popen(["bash", str(file)], env=environ)
    import signal
    import time

    time.sleep(0.5)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(20) == 0
    assert "requeue 7" in (tmp_path / "a run" / "scontrol").read_text()
