"""The example host `examples/helpdesk`: its demo data, its real server, and a visitor with cookies and CSRF token."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Row, connect
from typing import Any
from urllib.parse import urlencode

from examples.helpdesk import create_app
from examples.helpdesk.demo_data import PASSWORD
from tests.support.running_server import PLANTED_KEY, RunningServer
from tools.common.gunicorn_server import REPOSITORY, GunicornServer
from tools.common.raw_client import RawClient, Reply, fetch
from tools.common.scripted_model import MODEL_NAME, ScriptedModel

SECRET_KEY = "of-the-tests-and-of-nobody-else"
CHAT = "/assistant/api/chat"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_TOKEN = re.compile(r'<meta name="csrf-token" content="([^"]+)">')


def make_database(folder: Path) -> Path:
    """Write the database with its demo users and documents, and return its path."""
    path = folder / "helpdesk.sqlite"
    app = create_app({"DATABASE": str(path), "SECRET_KEY": SECRET_KEY})
    made = app.test_cli_runner().invoke(args=["init-db"])
    assert made.exit_code == 0, made.output
    with app.app_context():
        # Flask-SQLAlchemy keeps its connections for the life of the application.
        app.extensions["sqlalchemy"].engine.dispose()
    return path


class Visitor:
    """A browser of one person: keeps the session's cookie, and sends the CSRF token of the host's pages."""

    def __init__(self, url: str, name: str = "", path: str = "") -> None:
        """Take the server, and sign in where a name is given.

        Args:
            url: The server.
            name: A demo user; empty for a visitor who is not signed in.
            path: The path of the application on the server.
        """
        self.url = url
        self._path = path
        self._cookie = ""
        self.token = self._read_token()
        if name:
            reply = self.post("/sign-in", {"name": name, "password": PASSWORD})
            assert reply.status == 302, reply
            self.token = self._read_token()

    def _read_token(self) -> str:
        found = _TOKEN.search(self.fetch("/").text)
        assert found is not None
        return found[1]

    def fetch(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Reply:
        """Make a request with the cookie, and keep the reply's."""
        given = {**self.headers(), **{name.replace("_", "-"): value for name, value in headers.items()}}
        reply = fetch(self.url, self._path + path, method=method, body=body, headers=given)
        set_cookie = re.search(r"session=[^;]*", reply.headers.get("set-cookie", ""))
        self._cookie = self._cookie if set_cookie is None else set_cookie[0]
        return reply

    def headers(self) -> dict[str, str]:
        """Return the headers of every request."""
        return {"Cookie": self._cookie} if self._cookie else {}

    def post(self, path: str, fields: dict[str, str]) -> Reply:
        """Post a form with the CSRF token."""
        return self.fetch(path, "POST", urlencode({"csrf_token": self.token, **fields}).encode(), **FORM)

    def ask(self, message: str, mode: str = "block", *, token: str | None = None, **fields: Any) -> Reply:
        """Ask the assistant with the CSRF token, or another one, and return the whole response."""
        body = json.dumps({"message": message, "interaction_mode": mode, **fields}).encode()
        headers = self._chat_headers(token)
        return self.fetch(CHAT, "POST", body, **headers)

    def stream(self, message: str) -> RawClient:
        """Ask for a stream, and return the connection; the caller closes it."""
        client = RawClient(self.url)
        body = json.dumps({"message": message, "interaction_mode": "stream"}).encode()
        client.request("POST", self._path + CHAT, {**self.headers(), **self._chat_headers(None)}, body)
        return client

    def _chat_headers(self, token: str | None) -> dict[str, str]:
        token = self.token if token is None else token
        return {"Content-Type": "application/json", **({"X-CSRFToken": token} if token else {})}


@dataclass(frozen=True)
class Helpdesk(RunningServer):
    """The example's real server, the model behind it, and the path of its database."""

    database: Path

    def answers(self) -> list[dict[str, Any]]:
        """Return the stored answers, oldest first, with the names of their users."""
        with closing(connect(self.database)) as connection:
            connection.row_factory = Row
            query = "SELECT answer.*, user.name FROM answer JOIN user ON user.id = answer.user_id ORDER BY answer.id"
            return [dict(row) for row in connection.execute(query)]

    def forget_answers(self) -> None:
        """Remove the stored answers."""
        self._empty("answer")

    def forget_conversations(self) -> None:
        """Remove the conversations of all users."""
        self._empty("saved_conversation")

    def _empty(self, table: str) -> None:
        with closing(connect(self.database)) as connection, connection:
            connection.execute(f"DELETE FROM {table}")


@contextmanager
def start_helpdesk(
    folder: Path, *, app: str = "examples.helpdesk:create_app()", args: Sequence[str] = (), **env: object
) -> Iterator[Helpdesk]:
    """Run the help desk with demo data and a scripted model, until the block ends.

    Args:
        folder: Where the database is made.
        app: The application, as gunicorn names it.
        args: Further arguments of gunicorn.
        env: Environment variables, over the tests' usual ones.
    """
    database = make_database(folder)
    with ScriptedModel() as model:
        variables = {
            "OPENAI_MAX_RETRIES": 0,
            "OPENAI_API_KEY": PLANTED_KEY,
            "OPENAI_MODEL": MODEL_NAME,
            "OPENAI_BASE_URL": model.base_url,
            "HELPDESK_DATABASE": database,
            "HELPDESK_SECRET_KEY": SECRET_KEY,
            **env,
        }
        ready = f"{env.get('SCRIPT_NAME', '')}/"
        with GunicornServer(variables, app=app, args=args, ready_path=ready, cwd=REPOSITORY) as server:
            yield Helpdesk(server, model, database)
