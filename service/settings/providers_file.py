"""Reads the file of `SLUICE_PROVIDERS`: TOML in, a catalog out, or a sentence for each mistake."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from .parsers import header_word, one_of, parse_url, printable_text, url_is_public
from .providers import Catalog, Price, Provider, ServedModel
from .sources.setting_files import SettingFiles, read_text
from .sources.stable_file import BadFile

VARIABLE = "SLUICE_PROVIDERS"
# Each has a client of its own, which takes a tenth of a second of the start, and more on a busy machine. The service
# gives up its start after 10 s.
MOST_PROVIDERS = 16
# Characters of a value in a sentence.
_SHOWN = 80
# Far above any price, in any currency; with it, what an answer costs is always a finite number.
MOST_PRICE = 1_000_000_000

_EXAMPLE = '[[providers]] with name = "openai", base_url = "https://api.openai.com/v1" and models = ["gpt-5.4-mini"]'
_NAME = "1 to 64 letters, digits and the characters . _ -, because it is a label of the metrics"
_FILE_KEYS = ("currency", "providers")
_PROVIDER_KEYS = ("name", "base_url", "key", "key_file", "api", "models")
_MODEL_KEYS = ("name", "id", "input", "output", "cached_input")
_SECRETS = ("key",)
_LARGEST_SHOWN = 10**20


class BadCatalog(ValueError):
    """The file cannot be used; `problems` has a sentence for each mistake."""

    def __init__(self, problems: list[str]) -> None:
        """Take the sentences."""
        self.problems = problems
        super().__init__("\n".join(problems))


def read_catalog(path: str, files: SettingFiles) -> Catalog:
    """Read the file, and the files of keys that it names.

    Args:
        path: The file's. A relative one, and those of its keys, begin where those of all settings do.
        files: Reads files.

    Raises:
        BadCatalog: The file cannot be read, or has mistakes.
    """
    try:
        text = read_text(path, files)
    except BadFile as error:
        sentence = f"{VARIABLE} is {path!r}, which {error}; it should name a TOML file of providers."
        raise BadCatalog([sentence]) from None
    try:
        written = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # of numbers with thousands of digits, no `TOMLDecodeError`
        sentence = f"{VARIABLE}: {path} is not TOML: {error}; it should have {_EXAMPLE}."
        raise BadCatalog([sentence]) from None
    reader = _CatalogReader(path, files)
    catalog = reader.read(written)
    if reader.problems:
        raise BadCatalog(reader.problems)
    return catalog


class _CatalogReader:
    """Reads one file's values, and collects a sentence for each mistake."""

    def __init__(self, path: str, files: SettingFiles) -> None:
        self._path = path
        self._files = files
        self.problems: list[str] = []

    def read(self, written: dict[str, Any]) -> Catalog:
        self._refuse_unknown("", written, _FILE_KEYS)
        currency = self._text("", written, "currency", _currency) or ""
        tables = written.get("providers")
        if not isinstance(tables, list) or not 1 <= len(tables) <= MOST_PROVIDERS:
            self._refuse("", "providers", tables, f"1 to {MOST_PROVIDERS} tables, such as {_EXAMPLE}")
            return Catalog()
        providers = tuple(self._read_provider(number, table, currency) for number, table in enumerate(tables, 1))
        names = [provider.name for provider in providers if provider.name]
        for name in dict.fromkeys(name for name in names if names.count(name) > 1):
            self._say("", f"two providers have the name {name!r}; each should have its own")
        has_prices = any(model.price is not None for provider in providers for model in provider.models)
        if has_prices and "currency" not in written:
            self._say("", 'currency is not set; with prices it should be their currency, such as "USD"')
        return Catalog(providers, currency)

    def _read_provider(self, number: int, table: Any, currency: str) -> Provider:
        where = f"[[providers]] {number}"
        if not isinstance(table, dict):
            self._say(where, f"is {_shown(table)}; it should be a table, such as {_EXAMPLE}")
            return Provider("", "")
        if isinstance(table.get("name"), str):
            where = f"{where} ({json.dumps(table['name'][:_SHOWN])[1:-1]})"
        self._refuse_unknown(where, table, _PROVIDER_KEYS)
        name = self._text(where, table, "name", _provider_name, is_required=True)
        base_url = self._text(where, table, "base_url", parse_url, is_required=True)
        models = self._read_models(where, table.get("models"), currency)
        api: Any = self._text(where, table, "api", one_of("chat", "responses")) or "chat"
        return Provider(name or "", base_url or "", self._read_key(where, table), models, api)

    def _read_key(self, where: str, table: dict[str, Any]) -> str:
        if "key" in table and "key_file" in table:
            self._say(where, "key and key_file are both set; only one of them should be")
            return ""
        path = self._text(where, table, "key_file", printable_text)
        if path is None:
            return self._text(where, table, "key", _key) or ""
        try:
            return _key(read_text(path, self._files))
        except BadFile as error:
            self._say(where, f"key_file is {path!r}, which {error}; it should name a file that holds the key")
        except ValueError as error:
            self._say(where, f"key_file is {path!r}, whose text should be {error}")
        return ""

    def _read_models(self, where: str, items: Any, currency: str) -> tuple[ServedModel, ...]:
        if not isinstance(items, list) or not items:
            self._refuse(where, "models", items, 'a list of models, such as ["gpt-5.4-mini"]')
            return ()
        models = []
        for number, item in enumerate(items, 1):
            there = f"{where}, models {number}"
            table = {"name": item} if isinstance(item, str) else item
            if not isinstance(table, dict):
                self._say(
                    there, f'is {_shown(item)}; it should be a name, or a table such as {{name = "gpt-5.4-mini"}}'
                )
                continue
            self._refuse_unknown(there, table, _MODEL_KEYS)
            name = self._text(there, table, "name", _model_name, is_required=True) or ""
            model_id = self._text(there, table, "id", _model_name) or name
            models.append(ServedModel(name, model_id, self._read_price(there, table, currency)))
        names = [model.name for model in models if model.name]
        for name in dict.fromkeys(name for name in names if names.count(name) > 1):
            self._say(where, f"models has {name!r} twice; a provider should have each model once")
        return tuple(models)

    def _read_price(self, where: str, table: dict[str, Any], currency: str) -> Price | None:
        prices: dict[str, float] = {}
        for key in ("input", "output", "cached_input"):
            if key not in table:
                continue
            value = table[key]
            if type(value) not in (int, float) or not 0 <= value <= MOST_PRICE:
                expected = f"the price of a million tokens: a number from 0 to {MOST_PRICE}"
                self._refuse(where, key, value, expected)
                value = 0
            prices[key] = value
        if not prices:
            return None
        for key in ("input", "output"):
            if key not in prices:
                self._say(
                    where, f"{key} is not set; where one price is set, it should be the price of a million tokens"
                )
        return Price(prices.get("input", 0.0), prices.get("output", 0.0), prices.get("cached_input"), currency)

    def _text(
        self, where: str, table: dict[str, Any], key: str, parse: Callable[[str], str], *, is_required: bool = False
    ) -> str | None:
        """Return a text of a table; None where there is none, or a bad one."""
        value = table.get(key)
        if value is None and not is_required:
            return None
        try:
            if not isinstance(value, str):
                # Most parsers refuse an empty text with what it should be.
                parse("")
                raise ValueError("a text")
            return parse(value.strip())
        except ValueError as error:
            self._refuse(where, key, value, str(error))
            return None

    def _refuse_unknown(self, where: str, table: dict[str, Any], known: tuple[str, ...]) -> None:
        for key in table:
            if key not in known:
                meant = get_close_matches(key, known, n=1)
                question = f"did you mean {meant[0]}?" if meant else f"known are {', '.join(known)}."
                self._say(where, f"{key[:_SHOWN]!r} is no key here; {question}")

    def _refuse(self, where: str, key: str, value: Any, expected: str) -> None:
        if value is None:
            self._say(where, f"{key} is not set; it should be {expected}")
            return
        is_hidden = key in _SECRETS or (isinstance(value, str) and "://" in value and not url_is_public(value))
        self._say(where, f"{key} is {'(hidden)' if is_hidden else _shown(value)}; it should be {expected}")

    def _say(self, where: str, sentence: str) -> None:
        place = ", ".join(part for part in (f"{VARIABLE}: {self._path}", where) if part)
        text = f"{place}: {sentence}"
        self.problems.append(text if text.endswith(("?", ".")) else f"{text}.")


def _shown(value: Any) -> str:
    """Return a value as JSON has it, cut; of tables and lists only what they are, as a key may be in them."""
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else f"a list of {len(value)}"
    if type(value) is int and not -_LARGEST_SHOWN < value < _LARGEST_SHOWN:
        return "a number of more than 20 digits"  # Python does not write those of thousands
    text = json.dumps(value, ensure_ascii=True, default=str)
    return f"{text[:_SHOWN]}..." if len(text) > _SHOWN else text


def _currency(text: str) -> str:
    if not re.fullmatch(r"[A-Z]{3}", text):
        raise ValueError("a code of ISO 4217, such as USD, EUR or CNY")
    return text


def _provider_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", text):
        raise ValueError(_NAME)
    return text


def _model_name(text: str) -> str:
    if not text or not text.isprintable():
        raise ValueError("the name of a model, in printable characters")
    return text


def _key(text: str) -> str:
    if not text:
        raise ValueError("a key, or not be set")
    return header_word(text)
