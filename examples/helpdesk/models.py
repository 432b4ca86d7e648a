"""The tables."""

from __future__ import annotations

from datetime import UTC, datetime

from flask_login import UserMixin
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The base of all tables."""


db = SQLAlchemy(model_class=Base)


def _now() -> datetime:
    return datetime.now(UTC)


class User(UserMixin, db.Model):
    """A person who can sign in."""

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    #: `member`, or `guest`, who may not chat.
    role: Mapped[str] = mapped_column(default="member")
    #: The system message of this user's chats.
    persona: Mapped[str]
    #: The model that answers this user.
    model: Mapped[str]


class Ticket(db.Model):
    """A problem that a user has reported."""

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    subject: Mapped[str]


class Answer(db.Model):
    """A question, and the answer or as much of it as there was."""

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    #: The id that the log has, too. Unique, so that no answer is stored twice.
    run_id: Mapped[str] = mapped_column(unique=True)
    question: Mapped[str]
    text: Mapped[str]
    #: `done` for a whole answer; `disconnected`, `stopped`, `timeout` or `error` for others.
    outcome: Mapped[str]
    #: The error's code; empty where there was none.
    code: Mapped[str]
    model: Mapped[str]
    prompt_tokens: Mapped[int]
    completion_tokens: Mapped[int]
    #: Whether the tokens were estimated, because the provider did not count them.
    is_estimate: Mapped[bool]
    created: Mapped[datetime] = mapped_column(default=_now)
