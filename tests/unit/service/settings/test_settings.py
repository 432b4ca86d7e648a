"""The settings: read once, from the environment over `.env`; every bad value is named with what it should be."""

from __future__ import annotations

import dataclasses
import errno
import os
import re
import resource
from collections import Counter
from pathlib import Path

import pytest

from sluice.service.settings.fields import setting_fields
from sluice.service.settings.records.limits import LimitSettings
from sluice.service.settings.records.provider import DEMO_MODEL, OPENAI_DEFAULT_MODEL, ProviderSettings
from sluice.service.settings.records.server import ServerSettings
from sluice.service.settings.settings import Settings, SettingsError

EXAMPLE = Path(__file__).parents[4] / ".env.example"
FIELDS = {field.metadata["variable"]: field for field, _ in setting_fields(Settings())}
NUMBERS = [variable for variable, field in FIELDS.items() if isinstance(field.default, int | float)]


def problems_of(**environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings.load(environ)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


# ------------------------------------------------------------------ bad values


@pytest.mark.parametrize(
    ("variable", "value", "should_be"),
    [
        ("OPENAI_BASE_URL", "api.example.com/v1", "a URL such as https://api.example.com/v1"),
        ("OPENAI_BASE_URL", "ftp://example.com", "a URL such as https://api.example.com/v1"),
        ("OPENAI_BASE_URL", "https://", "a URL such as https://api.example.com/v1"),
        ("OPENAI_BASE_URL", "http://host:port/v1", "a URL such as https://api.example.com/v1"),
        ("OPENAI_BASE_URL", "http://[::1", "a URL such as https://api.example.com/v1"),
        ("OPENAI_BASE_URL", "http://\u2603.example/v1", "a URL such as https://api.example.com/v1, in ASCII"),
        ("OPENAI_BASE_URL", "http://256.0.0.1/v1", "a URL such as https://api.example.com/v1"),
        ("OPENAI_BASE_URL", "http://my host/v1", "in ASCII"),
        ("OPENAI_BASE_URL", "http://host\\v1", "a URL such as https://api.example.com/v1"),
        ("OPENAI_BASE_URL", "http://[v1.host]/v1", "a URL such as https://api.example.com/v1"),
        ("OPENAI_BASE_URL", "http://xn--a.example/v1", "a URL such as https://api.example.com/v1"),
        ("OPENAI_BASE_URL", "http://model..example/v1", "a URL such as https://api.example.com/v1"),
        ("OPENAI_BASE_URL", f"http://{64 * 'a'}.example/v1", "a URL such as https://api.example.com/v1"),
        ("OPENAI_BASE_URL", "http://host/v1#top", "a URL such as https://api.example.com/v1"),
        ("OPENAI_MODEL", "two\nlines", "printable text"),
        ("OPENAI_MODELS", ", ,", "names of models with commas between them"),
        ("OPENAI_MODELS", "fine,b\x00d", "names of models with commas between them"),
        ("OPENAI_INTERACTION_MODE", "batch", "stream or block"),
        ("OPENAI_MAX_RETRIES", "2.5", "a whole number of retries from 0 to 10"),
        ("OPENAI_MAX_RETRIES", "-1", "a whole number of retries from 0 to 10"),
        ("SLUICE_CONNECT_TIMEOUT", "5s", "a number of seconds from 0.05 to 300"),
        ("SLUICE_TOTAL_TIMEOUT", "nan", "a number of seconds from 0.05 to 86400"),
        ("SLUICE_TOTAL_TIMEOUT", "inf", "a number of seconds from 0.05 to 86400"),
        ("SLUICE_MAX_STREAMS", "0", "a whole number of streams from 1 to 10000"),
        ("SLUICE_MAX_BODY_BYTES", "0", "a whole number of bytes from 1000 to 1073741824"),
        ("SLUICE_LOG_LEVEL", "loud", "debug or info or warning or error"),
        ("HOST", "all of them", "an IP address or a name"),
        ("PORT", "65536", "a whole number from 0 to 65535"),
    ],
)
def test_a_bad_value_is_named_with_what_it_should_be(variable: str, value: str, should_be: str) -> None:
    problem = next(text for text in problems_of(**{variable: value}) if text.startswith(variable))
    assert problem.startswith(f"{variable} is {value!r}; it should be ")
    assert should_be in problem


@pytest.mark.parametrize("url", ["https://example.com/v1?api_key=secret", "https://me:secret@example.com/v1"])
def test_a_url_that_may_hold_a_password_is_refused_without_being_shown(url: str) -> None:
    (problem,) = problems_of(OPENAI_BASE_URL=url, OPENAI_MODEL="some")
    assert problem.startswith("OPENAI_BASE_URL is (hidden); it should be a URL such as")
    assert "without a query or a password" in problem
    assert "secret" not in problem


def test_a_blank_variable_does_not_hide_the_value_in_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OPENAI_MODEL=from-the-file\n")
    assert Settings.load({"OPENAI_MODEL": " "}, tmp_path / ".env").provider.model == "from-the-file"


def test_a_dollar_in_the_file_stands_for_itself(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OPENAI_SYSTEM_PROMPT=costs ${HOME} dollars\n")
    assert Settings.load({}, tmp_path / ".env").chat.system_prompt == "costs ${HOME} dollars"


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"OPENAI_MODEL=\xff\n")
    with pytest.raises(SettingsError, match=r"\.env, line 1, is not UTF-8; it should be\."):
        Settings.load({}, tmp_path / ".env")


@pytest.mark.parametrize("value", ["-1e9", "1e99", "many", "nan", "0x10", "1 000"])
def test_every_number_has_a_range_which_the_error_names(value: str) -> None:
    problems = problems_of(**dict.fromkeys(NUMBERS, value))
    assert len(problems) == len(NUMBERS) > 15
    for variable, problem in zip(NUMBERS, problems, strict=True):
        says = f"{variable} is {value!r}; it should be a"
        assert re.fullmatch(rf"{re.escape(says)} (whole )?number( of \w+)? from \S+ to \S+\.", problem)


def test_all_problems_are_reported_at_once() -> None:
    problems = problems_of(PORT="x", SLUICE_MAX_STREAMS="y", OPENAI_INTERACTION_MODE="z")
    assert {problem.split()[0] for problem in problems} == {"PORT", "SLUICE_MAX_STREAMS", "OPENAI_INTERACTION_MODE"}


@pytest.mark.parametrize("key", ["sk-secret\nkey", "sk-sécret", "sk secret"])
def test_a_bad_key_is_not_shown(key: str) -> None:
    (problem,) = problems_of(OPENAI_API_KEY=key)
    assert problem.startswith("OPENAI_API_KEY is (hidden); it should be printable ASCII")
    assert key not in problem


def test_a_base_url_that_is_not_openais_needs_a_model() -> None:
    (problem,) = problems_of(OPENAI_BASE_URL="http://localhost:11434/v1")
    assert problem.startswith("OPENAI_MODEL is not set; with OPENAI_BASE_URL=http://localhost:11434/v1 it should")
    assert (
        Settings.load({"OPENAI_BASE_URL": "https://api.openai.com/v1"}).provider.default_model == OPENAI_DEFAULT_MODEL
    )


# ------------------------------------------------------------------ where values come from


def test_nothing_set_gives_the_defaults() -> None:
    assert Settings.load({}) == Settings()


@pytest.mark.parametrize("empty", ["", " ", "\t"])
def test_an_empty_variable_counts_as_not_set(empty: str) -> None:
    assert Settings.load(dict.fromkeys(FIELDS, empty)) == Settings()


def test_values_are_read_with_the_spaces_around_them_taken_off() -> None:
    settings = Settings.load({"PORT": " 9000 ", "OPENAI_MODELS": " a, b ,,a", "OPENAI_INTERACTION_MODE": "Stream"})
    assert (settings.server.port, settings.provider.models) == (9000, ("a", "b"))
    assert settings.chat.interaction_mode == "stream"
    assert Settings.load({"OPENAI_BASE_URL": "http://x/v1/", "OPENAI_MODEL": "m"}).provider.base_url == "http://x/v1"


def test_the_environment_wins_over_the_file_and_an_empty_variable_does_not(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "PORT=1111\nHOST=file.example\nWEB_CONCURRENCY=3\n# SLUICE_MAX_HISTORY=1\nOPENAI_MODEL='in quotes'\n"
    )
    settings = Settings.load({"PORT": "2222", "HOST": ""}, file)
    assert (settings.server.port, settings.server.host, settings.server.workers) == (2222, "file.example", 3)
    assert (settings.limits.max_history, settings.provider.model) == (Settings().limits.max_history, "in quotes")


def test_the_file_reaches_no_other_library(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("OPENAI_API_KEY=sk-from-the-file\n")
    assert Settings.load({}, file).provider.api_key == "sk-from-the-file"
    assert os.environ.get("OPENAI_API_KEY") != "sk-from-the-file"


def test_a_file_that_is_not_there_is_no_problem(tmp_path: Path) -> None:
    assert Settings.load({}, tmp_path / ".env") == Settings()


FROM_FILES = [variable for variable, field in FIELDS.items() if field.metadata["from_file"]]


@pytest.mark.parametrize("given_in", ["the environment", ".env"])
def test_a_key_may_be_in_a_file(tmp_path: Path, given_in: str) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"\xef\xbb\xbfsk-in-a-file\r\n")
    secret.chmod(0o444)
    file = tmp_path / ".env"
    file.write_text(f"OPENAI_API_KEY_FILE={secret}\n" if given_in == ".env" else "")
    environ = {} if given_in == ".env" else {"OPENAI_API_KEY_FILE": str(secret)}
    assert Settings.load(environ, file).provider.api_key == "sk-in-a-file"


def test_a_long_text_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "prompt").write_text("You are kind.\n\nAnd brief; $HOME stays.\n")
    (tmp_path / "starters").write_text('["Why?",\n "How?"]')
    settings = Settings.load(
        {
            "OPENAI_SYSTEM_PROMPT_FILE": str(tmp_path / "prompt"),
            "SLUICE_STARTERS_FILE": str(tmp_path / "starters"),
            # What no file may hold.
            "PORT_FILE": str(tmp_path / "nothing"),
        }
    )
    assert settings.chat.system_prompt == "You are kind.\n\nAnd brief; $HOME stays."
    assert settings.page.starters is not None
    assert settings.server.port == 8000
    assert FROM_FILES == ["OPENAI_API_KEY", "OPENAI_SYSTEM_PROMPT", "SLUICE_STARTERS", "SLUICE_STORE"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "cannot be read (No such file or directory)"),
        ("a directory", "is no regular file"),
        ("a pipe", "is no regular file"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"sk-\xff-secret", "is not UTF-8"),
        (b"sk-secret" * 2**18, "has more than 1048576 bytes"),
    ],
)
@pytest.mark.parametrize("variable", FROM_FILES)
def test_a_file_that_gives_nothing_is_named_with_what_is_wrong_of_it(
    tmp_path: Path, variable: str, content: bytes | str | None, what: str
) -> None:
    path = tmp_path / "given"
    if content == "a directory":
        path.mkdir()
    elif content == "a pipe":
        os.mkfifo(path)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    (problem,) = problems_of(**{f"{variable}_FILE": str(path)})
    assert problem.startswith(f"{variable}_FILE is '{path}', which {what}; it should name a file that holds")
    assert "secret" not in problem


def test_a_bad_key_in_a_file_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-secret\nkey")
    (problem,) = problems_of(OPENAI_API_KEY_FILE=str(tmp_path / "key"))
    assert problem.startswith("OPENAI_API_KEY is (hidden); it should be printable ASCII")


def test_a_key_and_a_file_with_a_key_are_one_too_many_in_one_place_and_the_environment_wins_over_the_other(
    tmp_path: Path,
) -> None:
    secret, file = tmp_path / "secret", tmp_path / ".env"
    secret.write_text("of-the-file")
    (problem,) = problems_of(OPENAI_API_KEY="x", OPENAI_API_KEY_FILE=str(secret))
    assert problem == "OPENAI_API_KEY and OPENAI_API_KEY_FILE are both set; only one of them should be."
    file.write_text(f"OPENAI_API_KEY_FILE={secret}\n")
    assert Settings.load({"OPENAI_API_KEY": "of-the-environment"}, file).provider.api_key == "of-the-environment"
    file.write_text("OPENAI_API_KEY=written\n")
    assert Settings.load({"OPENAI_API_KEY_FILE": str(secret)}, file).provider.api_key == "of-the-file"


def test_a_file_of_settings_that_cannot_be_read_is_reported_in_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    # root may read everything.
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SettingsError, match=r"\.env cannot be read \(Permission denied\); it should be a text file"):
        Settings.load({}, tmp_path / ".env")


def test_a_bad_value_in_the_file_is_named_too(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PORT=none\n")
    with pytest.raises(SettingsError, match="PORT is 'none'; it should be a whole number from 0 to 65535"):
        Settings.load({}, file)


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().server.port = 1  # type: ignore[misc]


# ------------------------------------------------------------------ .env.example


def lines_of_example() -> list[tuple[str, str]]:
    return re.findall(r"^(?:# ?)?([A-Z][A-Z0-9_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE)


def test_the_example_has_every_variable_once_and_no_other() -> None:
    assert Counter(variable for variable, _ in lines_of_example()) == Counter(list(FIELDS))


def test_the_examples_defaults_are_the_real_ones() -> None:
    for variable, value in lines_of_example():
        field = FIELDS[variable]
        default = field.metadata["parse"](value) if value else None
        assert default == (field.default or (None if not value else field.default)), variable


def test_the_example_copied_as_it_is_changes_nothing(tmp_path: Path) -> None:
    copy = tmp_path / ".env"
    copy.write_text(EXAMPLE.read_text())
    assert Settings.load({}, copy) == Settings()
    copy.write_text(re.sub(r"^# (?=[A-Z][A-Z0-9_]+=)", "", EXAMPLE.read_text(), flags=re.MULTILINE))
    assert Settings.load({}, copy) == Settings()


# ------------------------------------------------------------------ what follows


def test_without_a_key_and_a_base_url_the_demo_model_answers() -> None:
    demo = ProviderSettings()
    assert demo.is_demo
    assert (demo.default_model, demo.name) == (DEMO_MODEL, "demo")
    assert not ProviderSettings(api_key="sk-key").is_demo
    assert ProviderSettings(api_key="sk-key").name == "api.openai.com"
    assert not ProviderSettings(base_url="http://localhost:1/v1").is_demo
    assert ProviderSettings(base_url="http://localhost:1/v1").name == "localhost"


def test_the_page_streams_unless_the_operator_chose_block() -> None:
    modes = [(s.chat.default_mode, s.chat.page_mode) for s in map(Settings.load, [
        {}, {"OPENAI_INTERACTION_MODE": "block"}, {"OPENAI_INTERACTION_MODE": "stream"},
    ])]  # fmt: skip
    assert modes == [("block", "stream"), ("block", "block"), ("stream", "stream")]


@pytest.mark.parametrize(
    ("server", "names"),
    [
        (ServerSettings(), ()),
        (ServerSettings(host="localhost"), ()),
        (ServerSettings(host="::1"), ()),
        (ServerSettings(host="127.0.0.53"), ()),
        (ServerSettings(host="0.0.0.0"), ("*",)),
        (ServerSettings(host="::"), ("*",)),
        (ServerSettings(host="192.0.2.7"), ("*",)),
        (ServerSettings(host="box.example"), ("*",)),
        (ServerSettings(trusted_proxies=1), ("*",)),
        (ServerSettings(trusted_proxies=1, host="0.0.0.0", allowed_hosts=("ours",)), ("ours",)),
    ],
)
def test_on_loopback_without_a_proxy_no_name_is_answered_to_but_those_that_are_set(
    server: ServerSettings, names: tuple[str, ...]
) -> None:
    assert server.reachable_names == names


@pytest.mark.parametrize(
    "text", ["http://ours", "ours:8000", "*.example.com", "[::1]", "a b", "-x", "a..", "ü.example", "/"]
)
def test_a_host_that_could_never_match_stops_the_start(text: str) -> None:
    (problem,) = problems_of(SLUICE_ALLOWED_HOSTS=text)
    assert problem.startswith(f"SLUICE_ALLOWED_HOSTS is {text!r}; it should be names in ASCII")


def test_hosts_are_read_in_lower_case_each_once() -> None:
    settings = Settings.load({"SLUICE_ALLOWED_HOSTS": "Chat.Example.com., .example.org,,chat.example.com,my_box"})
    assert settings.server.allowed_hosts == ("chat.example.com", ".example.org", "my_box")


def test_allowed_models_begin_with_the_default_and_name_each_once() -> None:
    assert ProviderSettings(model="b", models=("a", "b", "c")).allowed_models == ("b", "a", "c")


def test_threads_are_those_that_may_be_held_and_the_reserve_and_the_grace_outlasts_the_drain() -> None:
    limits = LimitSettings(max_streams=10, reserve_threads=3, drain_timeout=7.9)
    assert limits.threads == 13
    assert LimitSettings(max_streams=1000, max_held_threads=20, reserve_threads=3).threads == 23
    assert limits.graceful_timeout > limits.drain_timeout


# ------------------------------------------------------------------ contradictions


def test_the_defaults_do_not_contradict_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    assert Settings().contradictions() == []


@pytest.mark.parametrize(
    ("record", "names"),
    [
        (
            LimitSettings(first_token_timeout=61, total_timeout=60),
            ["SLUICE_FIRST_TOKEN_TIMEOUT", "SLUICE_TOTAL_TIMEOUT"],
        ),
        (
            LimitSettings(connect_timeout=9, first_token_timeout=8),
            ["SLUICE_CONNECT_TIMEOUT", "SLUICE_FIRST_TOKEN_TIMEOUT"],
        ),
        (
            LimitSettings(max_message_chars=2000, max_body_bytes=1999),
            ["SLUICE_MAX_MESSAGE_CHARS", "SLUICE_MAX_BODY_BYTES"],
        ),
        (
            LimitSettings(max_body_bytes=2**24),
            ["SLUICE_MAX_BODY_BYTES", "SLUICE_MAX_IMAGE_BODY_BYTES"],
        ),
        (LimitSettings(max_streams=10_000), ["SLUICE_MAX_STREAMS", "ulimit -n"]),
        (
            ProviderSettings(model="real-model"),
            ["OPENAI_MODEL", "OPENAI_API_KEY", "OPENAI_BASE_URL"],
        ),
        (
            ServerSettings(host="0.0.0.0", allowed_hosts=("ours",)),
            ["HOST", "SLUICE_TRUSTED_PROXIES"],
        ),
    ],
)
def test_a_contradiction_is_reported_in_one_message_that_names_both_sides(
    record: LimitSettings | ProviderSettings | ServerSettings, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    (sentence,) = record.contradictions()
    assert all(name in sentence for name in names)


def test_a_server_that_others_reach_under_any_name_is_warned_of() -> None:
    assert any("SLUICE_ALLOWED_HOSTS" in sentence for sentence in ServerSettings(host="0.0.0.0").contradictions())
    behind_a_proxy = ServerSettings(host="0.0.0.0", trusted_proxies=1)
    assert not any("SLUICE_ALLOWED_HOSTS" in sentence for sentence in behind_a_proxy.contradictions())


def test_a_machine_without_a_limit_on_files_has_no_contradiction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert LimitSettings(max_streams=10_000).contradictions() == []


def test_the_api_is_that_of_the_provider_and_has_no_effect_on_the_demo_model() -> None:
    settings = Settings.load({"OPENAI_API": "responses", "OPENAI_API_KEY": "k"})
    assert ([each.api for each in settings.provider.providers], settings.contradictions()) == (["responses"], [])
    demo = Settings.load({"OPENAI_API": "responses"})
    assert [each.api for each in demo.provider.providers] == ["chat"]
    assert demo.contradictions() == [
        "OPENAI_API has no effect: the demo model answers, which has the chat API alone."
    ]
