"""The program of the local model's process: llama.cpp's own server, until its standard input ends.

It is run as a file, with the packages of `packages.py` and the standard library. The first line of its input is a
JSON object with its options. It prints one line, the URL of the server, when the model is loaded.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def main() -> None:
    """Serve until the input ends, as it does when the process at its other end dies."""
    options: dict[str, Any] = json.loads(sys.stdin.readline())
    sys.path.insert(0, options["packages"])
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = options["weights"]
    params.model_alias = {options["name"]}
    params.hostnames = ["127.0.0.1"]
    params.port = options["port"]
    # Other users of this machine reach the port, and so does every page in a browser here.
    params.api_keys = [options["key"]]
    params.cors_origins = "http://127.0.0.1"
    params.ui = False
    # llama.cpp's threads wait for each other by spinning: one whose core is taken by another program stalls all.
    params.cpuparams.n_threads = max(1, len(os.sched_getaffinity(0)) // 2)
    params.n_parallel = options["slots"]
    params.n_ctx = options["slots"] * options["context"]
    # MiB for prompts of earlier requests. llama.cpp's own 8192 is more than many machines have.
    params.cache_ram_mib = 256
    # As the model's authors recommend.
    params.sampling.temp = 0.2
    params.sampling.top_p = 0.9
    # Warnings and errors: below it, llama.cpp writes several lines for each request.
    params.verbosity = options["verbosity"]
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)  # noqa: T201
    sys.stdin.read()
    # Without llama.cpp's own clean-up, which waits for open answers.
    os._exit(0)


if __name__ == "__main__":
    main()
