"""The help desk with further pages: the chat as a part of pages with rules, ids and policies of their own."""

from __future__ import annotations

from secrets import token_hex
from typing import Any, Final
from uuid import uuid4

from flask import Flask, Response, g, make_response, render_template_string
from flask_login import current_user, logout_user
from sqlalchemy import JSON, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from examples.helpdesk import create_app as create_helpdesk
from examples.helpdesk.assistant import sluice
from examples.helpdesk.models import db

#: Rules, ids and a base address that a chat without defences would not survive, nor they the chat.
HOSTILE: Final = """<!doctype html>
<html lang="en">
<head>
  <base href="/elsewhere/">
  <meta name="csrf-token" content="{{ csrf_token() }}">
  <title>Dashboard</title>
  <link rel="stylesheet" href="/hostile.css">
</head>
<body>
  <header id="title"><p class="notice-of-host">The host's own <a href="/">link</a></p></header>
  <main id="main"><input id="search" aria-label="Of the host"><h1>Dashboard</h1>
    <div id="content" data-text="unknown">{{ CHAT }}</div>
  </main>
  <footer id="sidebar"><button>Of the host</button></footer>
</body>
</html>
"""
RULES: Final = """html { font-size: 62.5%; }
body { color: purple; font: italic 2rem/3 fantasy; letter-spacing: 3px;
  text-align: center; text-transform: uppercase; }
header, footer { background: navy; padding: 20px; position: relative; }
main, section, aside, form, dialog { border: 5px solid red; margin: 30px; padding: 30px; }
button, input, textarea, select { background: yellow; border: 4px solid lime; border-radius: 0;
  margin: 9px; width: 300px; }
p, h1, h2, ul, li, label { color: red; list-style: square; margin: 50px; }
a { color: lime; text-decoration: line-through; }
table, td, th { border: 3px dotted blue; }
#content p, #content button, #content div { text-transform: uppercase; float: right; }
.bar, .send, .notice, .answer, .question, .close, .empty, .main, .wide, .column { display: none; opacity: 0.2; }
"""
NONCE: Final = """<!doctype html>
<html lang="zh-Hans-CN">
<head><title>Nonce</title>{{ sluice_head() }}</head>
<body>{{ sluice_chat(name="Helper") }}</body>
</html>
"""
SIGNED_OUT: Final = """<!doctype html>
<html lang="en"><head><title>Signed out</title>{{ sluice_forget(user) }}</head><body>Goodbye</body></html>
"""

TOLD: Final = """<!doctype html>
<html lang="en"><head><title>Signed out</title>{{ sluice_signed_out() }}</head><body>Goodbye</body></html>
"""


def create_app() -> Flask:
    """Make the application. Settings are those of the help desk."""
    app = create_helpdesk()
    app.jinja_env.globals["csp_nonce"] = nonce

    @app.get("/hostile")
    def hostile() -> str:
        return render_template_string(HOSTILE.replace("{{ CHAT }}", "{{ sluice_chat() }}"))

    @app.get("/hostile-alone")
    def hostile_alone() -> str:
        return render_template_string(HOSTILE.replace("{{ CHAT }}", ""))

    app.add_url_rule("/hostile.css", "hostile_rules", lambda: Response(RULES, mimetype="text/css"))

    @app.get("/nonce")
    def with_nonce() -> Response:
        response = make_response(render_template_string(NONCE))
        response.headers["Content-Security-Policy"] = (
            f"default-src 'none'; script-src 'nonce-{nonce()}' 'strict-dynamic'; style-src 'nonce-{nonce()}'; "
            "connect-src 'self'; img-src 'self'; font-src 'self'; worker-src 'self'; base-uri 'none'"
        )
        return response

    @app.get("/sign-out-and-forget")
    def sign_out_and_forget() -> str:
        user = current_user.id
        logout_user()
        return render_template_string(SIGNED_OUT, user=user)

    @app.get("/sign-out-and-tell")
    def sign_out_and_tell() -> str:
        logout_user()
        return render_template_string(TOLD)

    @app.get("/forget-all")
    def forget_all() -> str:
        return render_template_string(SIGNED_OUT)

    return app


class SavedConversation(db.Model):
    """A user's conversation, as the page sends it."""

    user: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str]
    document: Mapped[Any] = mapped_column(JSON)


class Conversations:
    """Keeps conversations in a table of the application."""

    def list_conversations(self, user: str) -> list[tuple[str, str]]:
        rows = db.session.execute(select(SavedConversation.id, SavedConversation.version).filter_by(user=user))
        return [(id_, version) for id_, version in rows]

    def load_conversation(self, user: str, conversation_id: str) -> tuple[dict[str, Any], str] | None:
        found = db.session.get(SavedConversation, (user, conversation_id))
        return None if found is None else (found.document, found.version)

    def save_conversation(
        self, user: str, conversation_id: str, conversation: dict[str, Any], version: str | None
    ) -> str | None:
        new = uuid4().hex
        if version is None:
            db.session.add(SavedConversation(user=user, id=conversation_id, version=new, document=conversation))
            try:
                db.session.commit()
            except IntegrityError:
                db.session.rollback()
                return None
            return new
        same = update(SavedConversation).filter_by(user=user, id=conversation_id, version=version)
        changed = db.session.execute(same.values(version=new, document=conversation)).rowcount
        db.session.commit()
        return new if changed else None

    def delete_conversation(self, user: str, conversation_id: str) -> None:
        db.session.execute(delete(SavedConversation).filter_by(user=user, id=conversation_id))
        db.session.commit()


def create_synced_app() -> Flask:
    """Make the application, which keeps its users' conversations."""
    app = create_app()
    sluice.conversations(Conversations)
    with app.app_context():
        db.create_all()
        db.engine.dispose()
    return app


def nonce() -> str:
    """Return the nonce of the current request's policy."""
    if "nonce" not in g:
        g.nonce = token_hex(8)
    made: str = g.nonce
    return made
