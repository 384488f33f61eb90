"""A real llama.cpp server on the loopback, in a process that can be killed: MODEL PORT."""

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from engines.children import python_environment


class LlamaServer:
    """`model` behind llama.cpp's own HTTP server; `start`, `kill` and `start` again."""

    def __init__(self, model: Path, *, parallel: int = 4) -> None:
        self.model = model
        self.parallel = parallel
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}/v1"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [sys.executable, "-P", str(Path(__file__).absolute())]
        command += [str(self.model), str(self.port), str(self.parallel)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=python_environment(),
        )
        for _n in range(600):
            try:
                with urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5):
                    return
            except (URLError, OSError):
                if self._process.poll() is not None:
                    raise RuntimeError("llama.cpp did not start") from None
                time.sleep(0.05)
        raise RuntimeError("llama.cpp does not answer")

    def kill(self) -> None:
        """SIGKILL, as a crash or the out-of-memory killer would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdin:
                self._process.stdin.close()
        self._process = None


def main(model: str, port: int, parallel: int) -> None:
    """Serve until stdin ends."""
    import xllamacpp

    parameters: Any = xllamacpp.CommonParams()
    parameters.model.path = model
    parameters.model_alias = {"kw-mini"}
    parameters.port = port
    parameters.n_ctx = 4096 * parallel
    parameters.n_parallel = parallel
    parameters.n_gpu_layers = 0
    parameters.warmup = False
    parameters.fit_params = False
    parameters.cpuparams.n_threads = 1
    parameters.cpuparams_batch.n_threads = 1
    # Halves of precision in the cache would make a float32 model answer otherwise.
    parameters.cache_type_k = xllamacpp.ggml_type.GGML_TYPE_F32
    parameters.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    disabled = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    parameters.flash_attn_type = disabled
    server = xllamacpp.Server(parameters)
    sys.stdin.buffer.read()
    del server


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
