"""The chat, below /assistant: who may use it, what the model is told, and where its answers are kept."""

from __future__ import annotations

from typing import Annotated

from flask import Flask, abort, current_app, redirect, request
from flask_login import current_user, login_url
from msgspec import Meta
from werkzeug.wrappers import Response

from sluice import Chat, RunEnd, Sluice, ToolContext, ToolError

from .documents import search_documents
from .models import Answer, db
from .tickets import find_subject

sluice = Sluice()


def init_app(app: Flask) -> None:
    """Add the chat to the application."""
    sluice.init_app(app, url_prefix="/assistant")


@sluice.authorize
def authorize() -> int | Response:
    """Let members chat. Visitors of the page are sent to the sign-in; the API answers them with 401."""
    if not current_user.is_authenticated:
        # Not `login_manager.unauthorized()`: it keeps a message for the next page, also for a request of the API.
        return redirect(login_url("accounts.sign_in", request.url))
    if current_user.role == "guest":
        abort(403)
    user_id: int = current_user.id
    return user_id


@sluice.prepare
def prepare(chat: Chat) -> Chat:
    """Choose the user's model and system message. The request is here; later it is gone, so keep plain values."""
    context = {"user_id": current_user.id, "database": current_app.config["DATABASE"]}
    # A user may have no persona.
    return chat.replace(model=current_user.model, context=context).add_system(current_user.persona)


@sluice.before_model
async def add_documents(chat: Chat) -> Chat:
    """Add what our documents say about the question. Runs on the event loop, so nothing here may block."""
    found = await search_documents(chat.context["database"], chat.question)
    if not found:
        return chat
    documents = "\n\n".join(f"# {document.title}\n{document.body}" for document in found)
    return chat.add_system("Use these documents where they help:", documents)


@sluice.tool
async def find_ticket(
    context: ToolContext, number: Annotated[int, Meta(ge=1, description="The number of the ticket.")]
) -> str:
    """Find out what a ticket of the user is about."""
    # A model may ask for any number: whose tickets it gets is decided here.
    subject = await find_subject(context.context["database"], number, context.context["user_id"])
    if subject is None:
        raise ToolError(f"The user has no ticket {number}.")
    return subject


@sluice.on_end
def store(end: RunEnd) -> None:
    """Store the answer, whole or not. Called once for each run, in an application context, on a thread."""
    db.session.add(
        Answer(
            user_id=end.context["user_id"],
            run_id=end.run_id,
            question=end.chat.question,
            text=end.text,
            outcome=end.outcome,
            code=end.code,
            model=end.chat.model,
            prompt_tokens=end.usage.prompt_tokens,
            completion_tokens=end.usage.completion_tokens,
            is_estimate=end.usage.estimated,
        )
    )
    db.session.commit()
