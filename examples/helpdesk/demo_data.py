"""`flask init-db`: the tables, some users and some documents."""

from __future__ import annotations

from pathlib import Path

from click import ClickException
from flask import Flask, current_app
from werkzeug.security import generate_password_hash

from .documents import Document, add_documents
from .models import Ticket, User, db

#: The password of all demo users.
PASSWORD = "helpdesk"  # noqa: S105 - it is for trying out
_USERS = [
    ("ada", "member", "You are a patient help desk. Explain every step.", "gpt-5-mini"),
    ("lin", "member", "你是公司的服务台。请用中文简短回答。", "gpt-5"),
    ("guest", "guest", "", "gpt-5-mini"),
]
_DOCUMENTS = [
    Document("Printers", "The printer on floor 3 is called hp-3. Its toner is in room 314."),
    Document("Holidays", "Everybody has 25 days of holiday. Ask for them in the portal, two weeks before."),
    Document("年假", "每位员工每年有二十五天年假，请提前两周在门户网站申请。"),
]


def init_db() -> None:
    """Make the tables and what is in them. In an application context."""
    database = Path(current_app.config["DATABASE"])
    if database.exists():
        raise ClickException(f"{database} exists already; remove it first to make it again")
    database.parent.mkdir(parents=True, exist_ok=True)
    db.create_all()
    hashed = generate_password_hash(PASSWORD)
    for name, role, persona, model in _USERS:
        db.session.add(User(name=name, role=role, persona=persona, model=model, password_hash=hashed))
    db.session.flush()
    db.session.add(Ticket(user_id=1, subject="The screen stays black"))
    db.session.commit()
    add_documents(str(database), _DOCUMENTS)


def add_commands(app: Flask) -> None:
    """Add `flask init-db` to the application."""
    app.cli.command("init-db", help="Make the tables, some users and some documents.")(init_db)
