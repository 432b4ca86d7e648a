"""All settings of one process: records of their own for each subject, read once.

Each record describes its settings by its fields (`fields.py`), of which `make reference` makes `.env.example`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .fields import setting_fields
from .parsers import url_is_public
from .providers import Catalog
from .providers_file import BadCatalog, read_catalog
from .proxies import Proxies
from .records.chat import ChatSettings
from .records.limits import LimitSettings
from .records.logging import LoggingSettings
from .records.openai_api import OpenAIApiSettings
from .records.page import PageSettings
from .records.provider import ProviderSettings
from .records.server import ServerSettings
from .records.storage import StorageSettings
from .records.tools import ToolSettings
from .sources.setting_files import SettingFiles, find_text, read_dotenv


class SettingsError(ValueError):
    """One or more settings are bad. The text names each variable, its value and what it should be."""

    #: The message says all that an operator needs; a traceback would add nothing.
    explains_itself = True

    def __init__(self, problems: list[str]) -> None:
        """Take one sentence for each bad setting."""
        self.problems = problems
        super().__init__("\n".join(problems))


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one process. Make it with `Settings.load()`, or of records with the values that differ."""

    provider: ProviderSettings = dataclasses.field(default_factory=ProviderSettings)
    chat: ChatSettings = dataclasses.field(default_factory=ChatSettings)
    limits: LimitSettings = dataclasses.field(default_factory=LimitSettings)
    logging: LoggingSettings = dataclasses.field(default_factory=LoggingSettings)
    page: PageSettings = dataclasses.field(default_factory=PageSettings)
    server: ServerSettings = dataclasses.field(default_factory=ServerSettings)
    storage: StorageSettings = dataclasses.field(default_factory=StorageSettings)
    openai_api: OpenAIApiSettings = dataclasses.field(default_factory=OpenAIApiSettings)
    tools: ToolSettings = dataclasses.field(default_factory=ToolSettings)
    proxies: Proxies = Proxies()

    @classmethod
    def load(
        cls,
        environ: Mapping[str, str],
        dotenv: Path | Mapping[str, str] | None = None,
        files: SettingFiles | None = None,
        config: Mapping[str, str] | None = None,
    ) -> Settings:
        """Read the settings.

        Args:
            environ: Usually `os.environ`. A variable that is set but empty counts as not set.
            dotenv: A `.env` file, or its variables, used where `environ` has no value. `os.environ` is not
                changed, so no library sees its values. In both, a variable with `_FILE` behind the name may name a
                file that holds the value (`setting_files.py`).
            files: Reads the files. Default: from the disk, once, without waiting for one that is being written.
            config: The variables of an application's configuration, which override `environ`.

        Raises:
            SettingsError: Values are bad; all of them are named, not only the first.
        """
        files = files or SettingFiles(dotenv.parent if isinstance(dotenv, Path) else Path())
        written, problems = read_dotenv(dotenv, files) if isinstance(dotenv, Path) else (dotenv or {}, [])
        if problems:
            raise SettingsError(problems)
        settings = cls.read((config or {}, environ, written), files)
        return dataclasses.replace(settings, proxies=Proxies.read(environ))

    @classmethod
    def read(cls, sources: Sequence[Mapping[str, str]], files: SettingFiles) -> Settings:
        """Read the settings, without the proxies.

        Args:
            sources: Variables. For each setting the first source wins that has a text, or the name of a file.
            files: Reads the files that variables name.

        Raises:
            SettingsError: As `load`.
        """
        defaults = cls()
        values, problems = _read_values(defaults, sources, files)
        catalog, of_catalog = _read_catalog(values, files)
        problems += of_catalog
        base_url = values.get("OPENAI_BASE_URL")
        is_elsewhere = base_url is not None and "openai.com" not in base_url
        has_catalog = bool(values.get("SLUICE_PROVIDERS"))
        if is_elsewhere and not has_catalog and not find_text("OPENAI_MODEL", sources, None):
            problems.append(
                f"OPENAI_MODEL is not set; with OPENAI_BASE_URL={base_url} it should name a model "
                "that is served there."
            )
        if problems:
            raise SettingsError(problems)
        records = {field.name: getattr(defaults, field.name) for field in dataclasses.fields(cls)}
        read = {name: _replace_values(record, values) for name, record in records.items() if name != "proxies"}
        read["provider"] = dataclasses.replace(read["provider"], catalog=catalog)
        return cls(**read)

    @property
    def max_chat_body_bytes(self) -> int:
        """The largest body of a chat request, in bytes: another one where it may have images."""
        limits = self.limits
        return limits.max_image_body_bytes if self.chat.allow_images == "on" else limits.max_body_bytes

    def contradictions(self) -> list[str]:
        """Return one sentence for each value that is fine alone, but not with another one or with the system."""
        return [
            *self.limits.contradictions(),
            *self.server.contradictions(),
            *self.provider.contradictions(),
            *self.page.contradictions(),
            *self.storage.contradictions(self.server.workers),
        ]


def _read_values(
    defaults: Settings, sources: Sequence[Mapping[str, str]], files: SettingFiles
) -> tuple[dict[str, Any], list[str]]:
    """Return the values that are set, by their variables, and a sentence for each bad one."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    for field, _ in setting_fields(defaults):
        variable = field.metadata["variable"]
        try:
            text = find_text(variable, sources, files if field.metadata["from_file"] else None)
        except ValueError as error:
            problems.append(str(error))
            continue
        if not text:
            continue
        try:
            values[variable] = parse_value(field, text)
        except ValueError as error:
            problems.append(str(error))
    return values, problems


def _read_catalog(values: Mapping[str, Any], files: SettingFiles) -> tuple[Catalog, list[str]]:
    """Return the providers of the file that is set, and a sentence for each mistake."""
    path = values.get("SLUICE_PROVIDERS")
    if not path:
        return Catalog(), []
    try:
        catalog = read_catalog(path, files)
    except BadCatalog as error:
        return Catalog(), error.problems
    model = values.get("OPENAI_MODEL")
    if model is None or model in catalog.models:
        return catalog, []
    names = ", ".join(catalog.models)
    return catalog, [f"OPENAI_MODEL is {model!r}; it should be a model of SLUICE_PROVIDERS ({path}): {names}."]


def parse_value(field: dataclasses.Field[Any], text: str) -> Any:
    """Return a setting's value.

    Args:
        field: The setting's field.
        text: What is written for it.

    Raises:
        ValueError: The text is bad. The message is a sentence for the operator, which shows no secret.
    """
    try:
        return field.metadata["parse"](text)
    except ValueError as error:
        # A URL that is refused may hold a password or a key.
        is_hidden = field.metadata["secret"] or ("://" in text and not url_is_public(text))
        shown = "(hidden)" if is_hidden else repr(text)
        raise ValueError(f"{field.metadata['variable']} is {shown}; it should be {error}.") from None


def _replace_values(record: Any, values: Mapping[str, Any]) -> Any:
    """Return a copy of a record with the values of those of its variables that have one."""
    fields = [field for field in dataclasses.fields(record) if "variable" in field.metadata]
    found = {field.name: field.metadata["variable"] for field in fields}
    return dataclasses.replace(record, **{name: values[key] for name, key in found.items() if key in values})
