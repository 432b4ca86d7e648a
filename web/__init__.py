"""The Flask application. It knows nothing of openai or janus."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from ..service import ChatService, Settings


def create_app(settings: Settings | None = None, service: ChatService | None = None) -> Flask:
    """Make the application. Starts no thread, so it may be made before a fork (`preload_app`).

    Args:
        settings: Default: the environment, and `.env` in the working directory.
        service: A service to use, with its own settings; for tests and for sharing one between applications.

    Raises:
        SettingsError: The environment holds bad values.
        ThreadsReplaced: The process has no threads for streams: gevent, eventlet, or uWSGI's loop engines.
    """
    # Imported here, because gunicorn's master imports this package and should load little. Its workers load the code
    # that is on disk when they start.
    from flask import Flask

    from ..service import ChatService
    from ..service.settings.load import load_settings
    from .api.error_replies import register_error_handlers
    from .blueprint import make_blueprint
    from .cli.commands import sluice_commands
    from .extension_state import ExtensionState
    from .foreign_servers import describe_server, refuse_unfit_server
    from .page.assets import page_assets
    from .page.bundle import describe_missing_bundle
    from .page.libraries import describe_missing_libraries
    from .replies.run_guard import RunGuard
    from .routing import register_routing
    from .security.headers import register_headers
    from .security.host_names import AllowedHosts, register_hosts

    refuse_unfit_server()
    if service is None:
        service = ChatService(settings or load_settings(os.environ, Path(".env")).settings)
    app = Flask(__name__, static_folder=None)
    assets = page_assets()
    state = ExtensionState(service)
    state.warnings += describe_missing_libraries(assets) + describe_missing_bundle(assets) + describe_server()
    state.attach(app)
    register_headers(app, service.settings.page)
    register_hosts(app, AllowedHosts.of(service.settings))
    register_routing(app)
    register_error_handlers(app)
    app.register_blueprint(make_blueprint(state, assets, with_operations=True))
    app.cli.add_command(sluice_commands)
    app.wsgi_app = RunGuard(app.wsgi_app)  # type: ignore[method-assign]
    return app
