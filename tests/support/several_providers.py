"""A real server whose file of providers names two scripted models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.running_server import PLANTED_KEY, SHORT_LIMITS
from tools.common.gunicorn_server import GunicornServer
from tools.common.raw_client import fetch
from tools.common.scripted_model import ScriptedModel


@dataclass(frozen=True)
class TwoProviders:
    """A server, the models behind it, and the file that names them."""

    server: GunicornServer
    first: ScriptedModel
    second: ScriptedModel
    file: Path

    @property
    def url(self) -> str:
        """Where the server listens."""
        return self.server.url

    def counted(self, name: str, *labels: str) -> float:
        """Return the sum of a metric's values whose labels include these (`name="value"`)."""
        lines = fetch(self.url, "/metrics").body.decode().splitlines()
        found = [line for line in lines if line.startswith(f"{name}{{") and all(label in line for label in labels)]
        return sum(float(line.rpartition(" ")[2]) for line in found)


@contextmanager
def start_two_providers(folder: Path, text: str, **env: object) -> Iterator[TwoProviders]:
    """Run a server with two models until the block ends.

    Args:
        folder: Where the file and the file of a key are written.
        text: The file; `FIRST` and `SECOND` stand for the models' base URLs.
        env: Settings, over the short limits.
    """
    with ScriptedModel() as first, ScriptedModel() as second:
        file = folder / "providers.toml"
        file.write_text(text.replace("FIRST", first.base_url).replace("SECOND", second.base_url))
        (folder / "second.key").write_text(f"{PLANTED_KEY}-2\n")
        with GunicornServer({**SHORT_LIMITS, "SLUICE_PROVIDERS": file, **env}) as server:
            yield TwoProviders(server, first, second, file)
