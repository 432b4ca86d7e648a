"""All routes of Sluice in one blueprint, for an application of its own and for a guest in another one."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint

from ..service.errors import ServiceError
from .ai_sdk.routes import make_ai_sdk_blueprint
from .api.chat import make_chat_blueprint
from .api.conversations import make_conversations_blueprint
from .api.doctor import PacedStreams, make_doctor_blueprint
from .api.error_replies import make_error_response, register_error_handlers
from .api.operations import make_operations_blueprint
from .api.runs import make_runs_blueprint
from .extension_state import ExtensionState
from .openai_api.error_replies import make_openai_error
from .openai_api.routes import make_openai_blueprint
from .openapi.document import make_openapi_blueprint
from .page.assets import Assets, make_assets_blueprint
from .page.bundle import module_files
from .page.routes import make_configuration_blueprint, make_page_blueprint
from .security.headers import register_headers
from .security.host_names import AllowedHosts, register_hosts
from .security.sign_in import require_user_of_api, require_user_of_page

#: The names of all routes begin with it, such as `sluice.page.index`.
NAME = "sluice"


def make_blueprint(state: ExtensionState, assets: Assets, *, with_operations: bool) -> Blueprint:
    """Make the blueprint `sluice`, whose parts are named `sluice.chat`, `sluice.page` and so on.

    Args:
        state: What is kept for the application.
        assets: The page's files.
        with_operations: Whether `/healthz`, `/readyz` and `/metrics` are among the routes. They are for everybody.
    """
    root = Blueprint(NAME, __name__, template_folder=Path(__file__).with_name("templates"))
    page = make_page_blueprint(state, assets)
    require_user_of_page(page, lambda: state.hooks.authorize)
    paced = PacedStreams(state)
    apis = (
        make_chat_blueprint(state, paced),
        make_runs_blueprint(state),
        make_ai_sdk_blueprint(state),
        make_doctor_blueprint(state, paced),
        make_configuration_blueprint(state),
        make_openapi_blueprint(state, with_operations=with_operations),
    )
    for api in apis:
        require_user_of_api(api, lambda: state.hooks.authorize)
    if state.service.settings.openai_api.serves == "on":
        openai = make_openai_blueprint(state)
        require_user_of_api(openai, lambda: state.hooks.authorize)
        register_error_handlers(openai, make_openai_error)
        root.register_blueprint(openai)
    for blueprint in apis if not with_operations else (*apis, make_operations_blueprint(state)):
        register_error_handlers(blueprint)
        root.register_blueprint(blueprint)
    root.register_blueprint(page)
    root.register_blueprint(make_assets_blueprint(assets, module_files(assets).later, is_guest=state.is_guest))
    return root


def make_guest_blueprint(state: ExtensionState, assets: Assets, *, with_operations: bool) -> Blueprint:
    """Make the same blueprint for an application of somebody else's, which keeps its own headers and error pages.

    Args:
        state: As `make_blueprint`.
        assets: As `make_blueprint`.
        with_operations: As `make_blueprint`.
    """
    root = make_blueprint(state, assets, with_operations=with_operations)
    conversations = make_conversations_blueprint(state)
    require_user_of_api(conversations, lambda: state.hooks.authorize)
    register_error_handlers(conversations)
    root.register_blueprint(conversations)
    register_headers(root, state.service.settings.page, is_guest=True)
    # The application's other names are known to its operator only.
    if state.service.settings.server.allowed_hosts:
        register_hosts(root, AllowedHosts.of(state.service.settings))
    root.register_error_handler(ServiceError, make_error_response)
    return root
