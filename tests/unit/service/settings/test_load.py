"""What a process has of the files of settings: those on the disk, or what its server has kept of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sluice.service.settings.load import load_settings
from sluice.service.settings.settings import SettingsError
from sluice.service.settings.sources import kept_files, stable_file


@pytest.fixture(autouse=True)
def nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have each test begin and end as a new process, and wait for no file."""
    monkeypatch.setattr(stable_file, "SETTLED", 0.0)
    monkeypatch.setattr(stable_file, "SUSPECT_SETTLED", 0.0)
    yield
    kept_files.forget()
    kept_files.forget()


def test_a_worker_has_the_settings_that_were_kept_though_its_files_have_changed_or_gone(tmp_path: Path) -> None:
    dotenv, secret = tmp_path / ".env", tmp_path / "secret"
    secret.write_text("sk-first\n")
    dotenv.write_text("OPENAI_API_KEY_FILE=secret\nPORT=1111\n")
    first = load_settings({}, dotenv)
    kept_files.keep(first.contents)
    secret.unlink()
    dotenv.write_text("PORT=none\n")
    assert load_settings({}, dotenv) == first
    assert first.settings.provider.api_key == "sk-first"


def test_in_somebody_elses_application_other_programs_lines_and_names_are_no_errors(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("export FOO\nPORT=5432/tcp\nOPENAI_MODEL=first\nOPENAI_MODEL=m\n")
    with pytest.raises(SettingsError):
        load_settings({"HOST": "not a host"}, dotenv)
    loaded = load_settings({"HOST": "not a host"}, dotenv, is_guest=True)
    assert (loaded.settings.server.host, loaded.settings.provider.default_model) == ("127.0.0.1", "m")
    assert [sentence.partition(".env, ")[2][:6] for sentence in loaded.skipped] == ["line 1", "line 3"]
    dotenv.write_bytes("OPENAI_MODEL=m\nNAME=café\n".encode("latin-1"))
    with pytest.raises(SettingsError, match="line 2, is not UTF-8"):
        load_settings({}, dotenv, is_guest=True)


def test_a_dotenv_that_was_not_there_is_kept_too(tmp_path: Path) -> None:
    kept_files.keep(load_settings({}, tmp_path / ".env").contents)
    (tmp_path / ".env").write_text("PORT=1111\n")
    assert load_settings({}, tmp_path / ".env").settings.server.port == 8000


def test_the_trial_of_a_reload_reads_the_files_again_and_notices_a_dotenv_that_has_gone(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("PORT=1111\n")
    kept_files.keep(load_settings({}, dotenv).contents)
    kept_files.forget()
    dotenv.write_text("PORT=none\n")
    with pytest.raises(SettingsError, match="PORT is 'none'"):
        load_settings({}, dotenv)
    dotenv.write_text("PORT=2222\n")
    again = load_settings({}, dotenv)
    assert (again.settings.server.port, again.has_lost_dotenv) == (2222, False)
    dotenv.unlink()
    assert load_settings({}, dotenv).has_lost_dotenv
