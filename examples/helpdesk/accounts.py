"""Signing in and out, by Flask-Login."""

from __future__ import annotations

from flask import Blueprint, Flask, flash, redirect, render_template, request, url_for
from flask_babel import gettext, lazy_gettext
from flask_login import LoginManager, login_user, logout_user
from flask_wtf import FlaskForm
from sqlalchemy import select
from werkzeug.security import check_password_hash
from werkzeug.wrappers import Response
from wtforms import PasswordField, StringField
from wtforms.validators import InputRequired

from .models import User, db

blueprint = Blueprint("accounts", __name__)
login_manager = LoginManager()
login_manager.login_view = "accounts.sign_in"
login_manager.login_message = lazy_gettext("Please sign in.")


def init_app(app: Flask) -> None:
    """Add the sign-in to the application."""
    login_manager.init_app(app)
    app.register_blueprint(blueprint)


@login_manager.user_loader
def load_user(user_id: str) -> User | None:
    """Return the user whose id is in the session."""
    return db.session.get(User, int(user_id))


class SignInForm(FlaskForm):
    """Name and password."""

    name = StringField(lazy_gettext("Name"), [InputRequired()])
    password = PasswordField(lazy_gettext("Password"), [InputRequired()])


@blueprint.route("/sign-in", methods=["GET", "POST"])
def sign_in() -> str | Response:
    """Show the form, or sign in."""
    form = SignInForm()
    if form.validate_on_submit():
        user = db.session.scalar(select(User).filter_by(name=form.name.data))
        if user is not None and check_password_hash(user.password_hash, form.password.data):
            login_user(user)
            return redirect(_next_path())
        flash(gettext("Name or password is wrong."))
    return render_template("sign_in.html", form=form)


def _next_path() -> str:
    """Return the path that asked for the sign-in; never another site."""
    path = request.args.get("next", "")
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else url_for("pages.index")


@blueprint.post("/sign-out")
def sign_out() -> Response:
    """Sign out."""
    logout_user()
    flash(gettext("You have signed out."))
    return redirect(url_for("pages.index"))
