"""The smallest application with the chat, which the servers serve: at its root, where the tests' client looks."""

from __future__ import annotations

from flask import Flask

from sluice import Sluice

app = Flask(__name__)
sluice = Sluice(app, url_prefix="/", operations=True)
