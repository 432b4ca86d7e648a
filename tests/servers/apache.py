"""Apache with mod_wsgi, from Debian's packages, for one test: its configuration, in a folder of its own."""

from __future__ import annotations

import site
import sys
from pathlib import Path

MODULES = Path("/usr/lib/apache2/modules")
PROGRAM = Path("/usr/sbin/apache2")

_CONFIGURATION = """
ServerRoot {folder}
PidFile {folder}/apache.pid
Listen 127.0.0.1:{port}
ServerName localhost
ErrorLog /dev/stderr
LogLevel warn
{modules}
User www-data
Group www-data
WSGIRestrictEmbedded On
WSGISocketPrefix {folder}/wsgi
WSGIDaemonProcess host processes=1 threads=8 python-path={path} shutdown-timeout=5
WSGIScriptAlias / {folder}/host.wsgi process-group=host application-group=%{{GLOBAL}}
<Directory {folder}>
Require all granted
</Directory>
"""


def write_configuration(folder: Path, port: int, module: str, repository: Path) -> Path:
    """Write a configuration that serves the `app` of a module; return its path.

    Args:
        folder: A folder that is there for as long as the server.
        port: Where it listens on 127.0.0.1.
        module: The module.
        repository: The folder that the module is imported from.
    """
    names = ("mpm_event", "authz_core", "wsgi")
    modules = "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in names)
    packages = ":".join([str(repository), *site.getsitepackages()])
    text = _CONFIGURATION.format(folder=folder, port=port, modules=modules, path=packages)
    (folder / "host.wsgi").write_text(f"from {module} import app as application\n")
    written = folder / "apache.conf"
    written.write_text(text)
    return written


def fits_this_python() -> bool:
    """Say whether Debian's mod_wsgi is of this Python's version, so that the packages of this environment work."""
    return (MODULES / f"mod_wsgi.so-{sys.version_info.major}.{sys.version_info.minor}").exists()
