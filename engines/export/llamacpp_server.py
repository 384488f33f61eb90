"""The process in which llama.cpp runs a file: MODEL SOCKET CONTEXT THREADS; ends with its stdin."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any


def main(model: str, address: str, context: int, threads: int) -> None:
    """Serve `model` on the Unix socket `address` until stdin ends."""
    import xllamacpp

    parameters: Any = xllamacpp.CommonParams()
    parameters.model.path = model
    parameters.hostnames = [address]
    parameters.n_ctx = context
    parameters.n_parallel = 1
    parameters.n_gpu_layers = 0
    parameters.warmup = False
    parameters.fit_params = False
    parameters.cpuparams.n_threads = threads
    parameters.cpuparams_batch.n_threads = threads
    # Halves of precision in the cache would make a float32 model answer otherwise.
    parameters.cache_type_k = xllamacpp.ggml_type.GGML_TYPE_F32
    parameters.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    disabled = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    parameters.flash_attn_type = disabled
    _server = xllamacpp.Server(parameters)
    os.write(1, b"ready\n")
    os.dup2(2, 1)
    while os.read(0, 1024):
        pass
    # The folder of the socket is this process's alone, and whoever asked for it may be dead.
    shutil.rmtree(Path(address).parent, ignore_errors=True)
    # The server's own end may wait for ever, for a thread that was told to stop too early.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
