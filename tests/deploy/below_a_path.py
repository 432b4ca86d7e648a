"""nginx with Sluice below a path, as docs/how-to/below-a-path.md has it, and with nothing of Sluice anywhere else."""

from __future__ import annotations

import re
from typing import Final

from tools.common.gunicorn_server import REPOSITORY

from .nginx_server import NginxServer

#: The path of the example in the documentation.
PREFIX: Final = "/assistant"
#: The line that decides who takes the path away.
TAKEN_AWAY: Final = "proxy_pass http://sluice/;"
KEPT: Final = "proxy_pass http://sluice;"


def nginx_below_a_path(upstream_port: int, *, takes_away: bool, expected_log: str | None = None) -> NginxServer:
    """Make a front whose only way to Sluice is the documented one, below a path.

    Args:
        upstream_port: Where gunicorn listens.
        takes_away: Whether Sluice sees paths without what they begin with.
        expected_log: What nginx may have to complain of.
    """
    text = (REPOSITORY / "docs" / "how-to" / "below-a-path.md").read_text()
    found = re.search(rf"```nginx\n(.*?{re.escape(TAKEN_AWAY)}.*?)```", text, re.DOTALL)
    assert found, f"docs/how-to/below-a-path.md has no example with {TAKEN_AWAY}"
    example = found[1] if takes_away else found[1].replace(TAKEN_AWAY, KEPT)
    edits = {
        "location / {\n            proxy_pass http://sluice;\n        }": f"location / {{ return 404; }}\n{example}",
        "location ~ ^/(?:api/chat|": "location ~ ^/elsewhere/(?:api/chat|",
        "location ~ ^/api/(?:runs/": "location ~ ^/elsewhere/api/(?:runs/",
        "location /static/ {": "location /elsewhere/static/ {",
    }
    return NginxServer(upstream_port, edits=edits, expected_log=expected_log)
