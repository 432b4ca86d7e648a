"""The help desk's own pages, and its own JSON API."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, session, url_for
from flask_babel import gettext, lazy_gettext
from flask_login import current_user, login_required
from flask_wtf import FlaskForm
from sqlalchemy import select
from werkzeug.wrappers import Response
from wtforms import StringField
from wtforms.validators import InputRequired, Length

from .models import Answer, Ticket, db

blueprint = Blueprint("pages", __name__)


class TicketForm(FlaskForm):
    """A problem to report."""

    subject = StringField(lazy_gettext("Subject"), [InputRequired(), Length(max=80)])


@blueprint.get("/")
def index() -> str:
    """Show the first page."""
    return render_template("index.html")


@blueprint.post("/language/<any(en, zh):language>")
def set_language(language: str) -> Response:
    """Set the language of this browser's session."""
    session["language"] = language
    return redirect(url_for("pages.index"))


@blueprint.route("/tickets", methods=["GET", "POST"])
@login_required
def tickets() -> str | Response:
    """Show the user's tickets, or add one."""
    form = TicketForm()
    if form.validate_on_submit():
        db.session.add(Ticket(user_id=current_user.id, subject=form.subject.data))
        db.session.commit()
        flash(gettext("The ticket was added."))
        return redirect(url_for("pages.tickets"))
    found = db.session.scalars(select(Ticket).filter_by(user_id=current_user.id).order_by(Ticket.id))
    return render_template("tickets.html", form=form, tickets=found.all())


@blueprint.get("/answers")
@login_required
def answers() -> str:
    """Show what the assistant has answered the user."""
    found = db.session.scalars(select(Answer).filter_by(user_id=current_user.id).order_by(Answer.id))
    return render_template("answers.html", answers=found.all())


@blueprint.get("/api/tickets/<int:ticket_id>")
def ticket(ticket_id: int) -> dict[str, Any]:
    """Return one of the user's tickets in JSON."""
    if not current_user.is_authenticated:
        abort(401)
    found = db.get_or_404(Ticket, ticket_id)
    if found.user_id != current_user.id:
        abort(403)
    return {"id": found.id, "subject": found.subject}
