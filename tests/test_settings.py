"""Settings from the environment and `.env`: what they become, and what wrong ones say."""

import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import pytest

from webapp.settings import Settings, SettingsError, read_settings, session_key

NO_FILE = Path("/nonexistent/.env")


def read(**environ: str) -> Settings:
    return read_settings(environ, NO_FILE)


def test_defaults():
    settings = read()
    assert settings == Settings()
    assert settings.storage == "local"
    assert (settings.max_upload_mb, settings.max_seconds) == (100, 3600)
    assert settings.retention_days == 30
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)


def test_every_setting_is_read_from_its_variable(tmp_path):
    given = {
        "SECRET_KEY": "s" * 16,
        "SER_STORAGE": "azure",
        "SER_STORAGE_DIR": str(tmp_path),
        "AZURE_STORAGE_CONNECTION_STRING": "AccountName=a;AccountKey=b==",
        "AZURE_STORAGE_ACCOUNT_URL": "https://a.blob.core.windows.net",
        "SER_CONTAINER": "voices-1",
        "SER_MODEL": "other",
        "SER_CHALLENGER": "third",
        "SER_CHALLENGER_SHARE": "25",
        "SER_MAX_UPLOAD_MB": "7",
        "SER_MAX_SECONDS": "60",
        "SER_RETENTION_DAYS": "1",
        "SER_SHARE_DAYS": "2",
        "SER_CONCURRENCY": "5",
        "WEB_CONCURRENCY": "4",
        "SER_CONTACT": "Ada, ada@example.org",
        "SER_NOTICE": "For adults only.",
        "SER_PROXY_HOPS": "1",
        "SER_API_KEYS": f"app:{'0' * 64}, cli:{'f' * 64}",
        "SER_RATE_LIMIT": "5 per hour",
        "SER_RATE_STORE": "redis://cache",
        "SER_CORS_ORIGINS": "https://app.example.org",
        "SER_LOG_FORMAT": "json",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": f"InstrumentationKey={'0' * 36}",
        "HOST": "0.0.0.0",
        "PORT": "80",
    }
    assert set(given) == {field.metadata["env"] for field in fields(Settings)}
    settings = read(**given)
    for field in fields(Settings):
        value = getattr(settings, field.name)
        assert str(value) == given[field.metadata["env"]]
        assert value != field.default


def test_every_setting_says_what_it_does():
    for field in fields(Settings):
        assert field.metadata["help"].endswith("."), field.name


def test_env_file_counts_and_the_environment_goes_before_it(tmp_path):
    file = tmp_path / ".env"
    file.write_text("PORT=9001\nSER_CONTACT='Ada # Lovelace'\nSER_MAX_SECONDS=30\n")
    settings = read_settings({"PORT": "9002", "SER_MAX_SECONDS": " "}, file)
    assert (settings.port, settings.contact, settings.max_seconds) == (9002, "Ada # Lovelace", 30)


@pytest.mark.parametrize(
    ("env", "value", "wanted"),
    [
        ("PORT", "eighty", "a whole number from 1 to 65535"),
        ("PORT", "65536", "a whole number from 1 to 65535"),
        ("PORT", "-1", "a whole number"),
        ("SER_CHALLENGER_SHARE", "101", "a whole number from 0 to 100"),
        ("SER_MAX_UPLOAD_MB", "0", "a whole number from 1"),
        ("SER_MAX_UPLOAD_MB", "1.5", "a whole number"),
        ("SER_RETENTION_DAYS", "0", "a whole number from 1"),
        ("SER_CONCURRENCY", "many", "a whole number"),
        ("SER_STORAGE", "cloud", "local or azure or memory"),
        ("SER_CONTAINER", "No_Such", "3 to 63 lower-case letters"),
        ("AZURE_STORAGE_ACCOUNT_URL", "myaccount", "an address that begins with https://"),
    ],
)
def test_a_wrong_value_names_variable_value_and_wish(env, value, wanted):
    with pytest.raises(SettingsError) as caught:
        read(**{env: value})
    assert caught.value.message.startswith(f"{env} is '{value}'; wanted: {wanted}")


@pytest.mark.parametrize("env", ["SECRET_KEY", "AZURE_STORAGE_CONNECTION_STRING"])
def test_secrets_are_not_shown(env):
    with pytest.raises(SettingsError) as caught:
        read(**{env: "hush hush"})
    assert "hush" not in str(caught.value)
    assert env in str(caught.value)
    settings = Settings(secret_key="hush" * 8, azure_connection_string="hush=hush")
    assert "hush" not in repr(settings)


def test_azure_needs_a_key_and_an_account():
    with pytest.raises(SettingsError, match="SECRET_KEY is not set"):
        read(SER_STORAGE="azure", AZURE_STORAGE_CONNECTION_STRING="AccountName=a")
    with pytest.raises(SettingsError, match="AZURE_STORAGE_CONNECTION_STRING is not set"):
        read(SER_STORAGE="azure", SECRET_KEY="k" * 32)
    read(SER_STORAGE="azure", SECRET_KEY="k" * 32, AZURE_STORAGE_ACCOUNT_URL="https://a.example")


def test_session_key_is_made_once_and_private(tmp_path):
    settings = Settings(storage_dir=tmp_path / "new" / "data")
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: session_key(settings), range(32)))
    assert keys == {session_key(settings)}
    assert len(keys.pop()) >= 32
    file = tmp_path / "new" / "data" / "secret_key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_session_key_that_was_given_goes_nowhere(tmp_path):
    settings = Settings(storage_dir=tmp_path, secret_key="k" * 32)
    assert session_key(settings) == "k" * 32
    assert list(tmp_path.iterdir()) == []


def test_session_key_of_memory_storage_is_written_nowhere(tmp_path):
    settings = Settings(storage_dir=tmp_path, storage="memory")
    assert session_key(settings) != session_key(settings)
    assert list(tmp_path.iterdir()) == []


def test_session_key_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="SER_STORAGE_DIR"):
        session_key(Settings(storage_dir=tmp_path / "file"))
