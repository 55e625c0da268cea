"""Every deployment setting: one frozen dataclass, and the only reader of the environment."""

import fcntl
import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar

from dotenv import dotenv_values

import ml

ROOT = Path(__file__).resolve().parent.parent
STORAGES = ("local", "azure", "memory")


class SettingsError(ml.SerError):
    """A setting whose value cannot be used."""

    code: ClassVar[str] = "settings"
    message_template: ClassVar[str] = "{env} is {given}; wanted: {wanted}."
    hint_template: ClassVar[str] = "Correct it in the environment or in .env, then start again."


def _text(value: str) -> str:
    return value


def _path(value: str) -> Path:
    return Path(value).expanduser().resolve()


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if re.fullmatch(r"[0-9]{1,9}", value) and low <= int(value) <= high:
            return int(value)
        raise ValueError(f"a whole number from {low} to {high}")

    return parse


def _choice(*choices: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value in choices:
            return value
        raise ValueError(" or ".join(choices))

    return parse


def _matching(pattern: str, wanted: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if re.fullmatch(pattern, value):
            return value
        raise ValueError(wanted)

    return parse


def _listed(pattern: str) -> str:
    return rf"{pattern}(\s*,\s*{pattern})*"


def _setting(
    env: str, default: Any, help: str, parse: Callable[[str], Any], *, secret: bool = False
) -> Any:
    """Describe one setting; `secret` keeps its value out of messages and of the repr."""
    metadata = {"env": env, "help": help, "parse": parse, "secret": secret}
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True)
class Settings:
    """What an operator chooses; each field's metadata holds its `env` name and `help`.

    Raises
    ------
    SettingsError
        If settings that need each other are not given together.
    """

    secret_key: str = _setting(
        "SECRET_KEY",
        "",
        "Signs the session cookie; at least 16 characters. Made once and kept in SER_STORAGE_DIR "
        "where it is not given; must be given where SER_STORAGE is azure.",
        _matching(r".{16,}", "at least 16 characters"),
        secret=True,
    )
    storage: str = _setting(
        "SER_STORAGE",
        "local",
        "Where analyses are kept: local (a folder), azure (Blob Storage) or memory (gone when "
        "the server stops).",
        _choice(*STORAGES),
    )
    storage_dir: Path = _setting(  # noqa: RUF009 - it is dataclasses.field with metadata
        "SER_STORAGE_DIR", ROOT / ".data", "The folder of the local storage.", _path
    )
    azure_connection_string: str = _setting(
        "AZURE_STORAGE_CONNECTION_STRING",
        "",
        "How to reach the storage account, with its key; for SER_STORAGE azure.",
        _matching(r"\S*(=|UseDevelopmentStorage)\S*", "a connection string as Azure shows it"),
        secret=True,
    )
    azure_account_url: str = _setting(
        "AZURE_STORAGE_ACCOUNT_URL",
        "",
        "The account's address, such as https://NAME.blob.core.windows.net, reached with the "
        "managed identity; instead of a connection string.",
        _matching(r"https?://[^\s/]+\S*", "an address that begins with https://"),
    )
    container: str = _setting(
        "SER_CONTAINER",
        "undertone",
        "The container in the storage account; made when it is missing.",
        _matching(
            r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]",
            "3 to 63 lower-case letters, digits and single hyphens",
        ),
    )
    model: str = _setting(
        "SER_MODEL", "", "The model that answers unless a request names one.", _text
    )
    challenger: str = _setting(
        "SER_CHALLENGER",
        "",
        "A model on trial, by its name or its bundle's folder: it hears some recordings after they "
        "were answered, and scores alone are noted.",
        _text,
    )
    challenger_share: int = _setting(
        "SER_CHALLENGER_SHARE",
        10,
        "How many of 100 recordings it hears, drawn by chance.",
        _whole(0, 100),
    )
    max_upload_mb: int = _setting(
        "SER_MAX_UPLOAD_MB", 100, "Largest recording that is taken, in MB.", _whole(1, 2048)
    )
    max_seconds: int = _setting(
        "SER_MAX_SECONDS", 3600, "Longest recording that is taken, in seconds.", _whole(1, 86_400)
    )
    retention_days: int = _setting(
        "SER_RETENTION_DAYS", 30, "Days after which a kept analysis is deleted.", _whole(1, 3650)
    )
    share_days: int = _setting(
        "SER_SHARE_DAYS",
        7,
        "Days for which a link opens that somebody made to show an answer to others.",
        _whole(1, 3650),
    )
    concurrency: int = _setting(
        "SER_CONCURRENCY", 2, "Recordings analysed side by side in each worker.", _whole(1, 64)
    )
    workers: int = _setting(
        "WEB_CONCURRENCY",
        0,
        "Worker processes; 0 for one for each core and two at least; always one where SER_STORAGE "
        "is memory.",
        _whole(0, 64),
    )
    contact: str = _setting(
        "SER_CONTACT", "", "Who operates this site, as the privacy page names them.", _text
    )
    notice: str = _setting(
        "SER_NOTICE",
        "",
        "What the operator adds to the notice that is shown before the first analysis and to the "
        "pages for programs, as plain text.",
        _text,
    )
    proxy_hops: int = _setting(
        "SER_PROXY_HOPS",
        0,
        "How many reverse proxies stand in front; their X-Forwarded headers are then believed, "
        "so that cookies are Secure and HSTS is sent over HTTPS.",
        _whole(0, 5),
    )
    api_keys: str = _setting(
        "SER_API_KEYS",
        "",
        "Keys of programs that may use the API, as NAME:HASH with commas between, as "
        "`flask --app webapp new-api-key NAME` prints them; empty: anybody may.",
        _matching(_listed(r"[\w.@-]+:[0-9a-f]{64}"), "NAME:HASH, with commas between"),
        secret=True,
    )
    rate_limit: str = _setting(
        "SER_RATE_LIMIT",
        "60 per minute",
        "How many recordings a key, or else an address, may have analysed; off for no limit.",
        _matching(
            r"off|[1-9][0-9]{0,6} per (second|minute|hour|day)", "such as 60 per minute, or off"
        ),
    )
    rate_store: str = _setting(
        "SER_RATE_STORE",
        "memory://",
        "Where that is counted: in each worker by itself, or for all in a store such as "
        "redis://HOST (needs the package redis).",
        _matching(r"[a-z+]+://\S*", "an address such as memory:// or redis://HOST"),
    )
    cors_origins: str = _setting(
        "SER_CORS_ORIGINS",
        "",
        "Websites whose scripts may use the API, such as https://app.example.org, with commas "
        "between; empty: none.",
        _matching(_listed(r"https?://[^\s,/*]+"), "addresses such as https://app.example.org"),
    )
    log_format: str = _setting(
        "SER_LOG_FORMAT",
        "text",
        "How log lines look: text, or json for one object a line.",
        _choice("text", "json"),
    )
    telemetry: str = _setting(
        "APPLICATIONINSIGHTS_CONNECTION_STRING",
        "",
        "Where requests are told to Azure Monitor: route, status, time and request id, nothing of "
        "the visitor (needs requirements-azure.txt); empty: nowhere.",
        _matching(
            r"(?i).*InstrumentationKey=[0-9a-f-]{36}.*", "a connection string as Azure shows it"
        ),
        secret=True,
    )
    host: str = _setting(
        "HOST", "127.0.0.1", "The address to listen on; 0.0.0.0 for every one.", _text
    )
    port: int = _setting("PORT", 8000, "The port to listen on.", _whole(1, 65_535))

    @property
    def on_trial(self) -> bool:
        """Whether a model on trial hears recordings."""
        return bool(self.challenger and self.challenger_share)

    def __post_init__(self) -> None:
        if self.storage != "azure":
            return
        if not self.secret_key:
            raise SettingsError(
                env="SECRET_KEY",
                given="not set",
                wanted="a random text of at least 16 characters, because SER_STORAGE is azure and "
                "every server must sign cookies with the same key",
            )
        if not (self.azure_connection_string or self.azure_account_url):
            raise SettingsError(
                env="AZURE_STORAGE_CONNECTION_STRING",
                given="not set",
                wanted="it or AZURE_STORAGE_ACCOUNT_URL, because SER_STORAGE is azure",
            )


def read_settings(
    environ: Mapping[str, str] | None = None, env_file: Path = ROOT / ".env"
) -> Settings:
    """Read the settings; the environment goes before `env_file`, empty counts as not given.

    Raises
    ------
    SettingsError
        Naming the variable, what came and what was wanted.
    """
    environ = os.environ if environ is None else environ
    file = dotenv_values(env_file, interpolate=False)
    given = {name: value for source in (file, environ) for name, value in _given(source)}
    values = {}
    for setting in fields(Settings):
        env = setting.metadata["env"]
        if env in given:
            values[setting.name] = _parsed(setting.metadata, given[env])
    return Settings(**values)


def _given(source: Mapping[str, str | None]) -> list[tuple[str, str]]:
    return [(name, value.strip()) for name, value in source.items() if value and value.strip()]


def _parsed(metadata: Mapping[str, Any], value: str) -> Any:
    try:
        return metadata["parse"](value)
    except ValueError as error:
        given = f"{len(value)} characters long" if metadata["secret"] else f"'{value}'"
        raise SettingsError(env=metadata["env"], given=given, wanted=str(error)) from None


def session_key(settings: Settings) -> str:
    """Give the key that signs cookies: the one set, or one made once and kept (mode 0600).

    Raises
    ------
    SettingsError
        If it has to be kept and the folder cannot be written.
    """
    if settings.secret_key:
        return settings.secret_key
    if settings.storage == "memory":
        return secrets.token_urlsafe(32)
    path = settings.storage_dir / "secret_key"
    try:
        return _kept_key(path)
    except OSError as error:
        raise SettingsError(
            env="SER_STORAGE_DIR",
            given=f"'{settings.storage_dir}', which cannot be used ({error.strerror})",
            wanted="a folder that can be written, or SECRET_KEY set",
        ) from None


def _kept_key(path: Path) -> str:
    """Read the key, or make it; of several processes that start at once all get the same."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        key = file.read()
        if not key:
            key = secrets.token_urlsafe(32)
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        return key
