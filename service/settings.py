"""One frozen object from ``HOMEWARD_*`` variables; a name that is not here stops the start.

Secrets come from files; a password in a database's address is the exception, kept out of ``repr``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from feature_store.errors import BadInput
from service import setting_kinds as kinds
from service.setting_kinds import about, path, positive, refuse_unknown, variable, yes_or_no

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be set; a field ``x`` is the variable ``HOMEWARD_X``."""

    model_uri: str = field(
        default="models:/long-stay@champion",
        metadata=about(
            "Model to serve: a registry address or a bundle's folder",
            "models:/NAME@ALIAS, models:/NAME/VERSION or a folder",
        ),
    )
    challenger_uri: str | None = field(
        default=None,
        metadata=about(
            "Model that scores in the shadow, on the record only (default: none)",
            "models:/NAME@ALIAS, models:/NAME/VERSION or a folder",
        ),
    )
    model_check_seconds: int = field(
        default=30,
        metadata=about(
            "How often the registry is asked which model the alias names",
            "a whole number from 1",
            positive,
        ),
    )
    mlflow_tracking_uri: str | None = field(
        default=None,
        repr=False,
        metadata=about("MLflow server or store (default: a local SQLite store)", "an address"),
    )
    mlflow_page: str | None = field(
        default=None,
        metadata=about("MLflow as browsers find it, for links", "an address", kinds.link),
    )
    database_url: str | None = field(
        default=None,
        repr=False,
        metadata=about(
            "Database of the audit and the live store (default: SQLite in HOMEWARD_VAR)",
            "sqlite:///PATH or postgresql://USER@HOST/NAME",
        ),
    )
    var: Path = field(
        default=Path("var"),
        metadata=about(
            "Folder of everything Homeward writes: databases, local copies of models",
            "a folder",
            path,
        ),
    )
    api_keys_file: Path | None = field(
        default=None,
        metadata=about(
            "API keys (hashed); without it the service is open, and only on a loopback address",
            "a file",
            path,
        ),
    )
    token_issuer: str | None = field(
        default=None,
        metadata=about("Issuer of OAuth 2 tokens (the claim `iss`); see docs/api.md", "a text"),
    )
    token_audience: str | None = field(
        default=None,
        metadata=about("Audience that tokens must be for (the claim `aud`)", "a text"),
    )
    token_keys: str | None = field(
        default=None,
        metadata=about(
            "Public keys of the token issuer: a JWK set in a file or at an https address",
            "a file or an https address",
            kinds.file_or_https,
        ),
    )
    token_sites_claim: str | None = field(
        default=None,
        metadata=about(
            "Claim that lists the sites a token is good for (default: tokens see every site)",
            "a text",
        ),
    )
    requests_per_minute: int | None = field(
        default=None,
        metadata=about(
            "Requests of one caller in a minute and worker (default: no limit)",
            "a whole number from 1",
            positive,
        ),
    )
    behind_tls: bool = field(
        default=False,
        metadata=about(
            "Whether callers come through a proxy with TLS: browsers are told to insist on it",
            "yes or no",
            yes_or_no,
        ),
    )
    pseudonym_key_file: Path | None = field(
        default=None,
        metadata=about(
            "Secret that keys pseudonyms (default: made once in HOMEWARD_VAR)", "a file", path
        ),
    )
    hub_capacity: int = field(
        default=20,
        metadata=about(
            "Patients a discharge hub can take on in a day", "a whole number from 1", positive
        ),
    )
    worklist_seconds: int = field(
        default=60,
        metadata=about(
            "Seconds before a worklist is scored again", "a whole number from 1", positive
        ),
    )
    stale_hours: int = field(
        default=6,
        metadata=about(
            "Hours of silence after which patients of a site are not scored",
            "a whole number from 1",
            positive,
        ),
    )
    least_completeness: float = field(
        default=0.1,
        metadata=about(
            "Completeness below which a patient of the live store is not scored",
            "a number from 0 to 1",
            kinds.share,
        ),
    )
    clock: str = field(
        default="wall",
        metadata=about(
            "Whose time the live store goes by: wall, or in a replay its data",
            "wall or data",
            kinds.clock_kind,
        ),
    )
    adt_facilities: str | None = field(
        default=None,
        metadata=about("Facilities (MSH-4, by commas) that may send ADT (default: any)", "a text"),
    )
    adt_test: bool = field(
        default=False,
        metadata=about("Whether test patients are taken (9-range)", "yes or no", yes_or_no),
    )
    adt_codebook: Path | None = field(
        default=None,
        metadata=about(
            "What a hospital's own codes in ADT mean (default: NHS codes); see docs/live.md",
            "a file",
            path,
        ),
    )
    cds_file: Path | None = field(
        default=None,
        metadata=about(
            "CDS Hooks: clients with signed tokens, more hooks, origins; see docs/cds.md",
            "a file",
            path,
        ),
    )
    unaudited_answers: bool = field(
        default=False,
        metadata=about("Whether to answer without a working audit", "yes or no", yes_or_no),
    )
    trackers_file: Path | None = field(
        default=None, metadata=about("Trackers that `homeward relay` tells", "a file", path)
    )
    max_body_mib: int = field(
        default=16,
        metadata=about("Largest request body, MiB", "a whole number from 1", positive),
    )
    otlp_endpoint: str | None = field(
        default=None,
        metadata=about(
            "Collector of OpenTelemetry traces, OTLP over HTTP (default: none; extra `otel`)",
            "an address",
        ),
    )
    log_level: str = field(
        default="info",
        metadata=about(
            "Least severe log line to write", "debug, info, warning or error", kinds.level
        ),
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read settings from environment variables.

        Raises
        ------
        BadInput
            An unknown ``HOMEWARD_*`` name, or a value that is not what its setting expects; the
            value itself is not repeated, it may be a secret.
        """
        refuse_unknown(environment, NAMES)
        given: dict[str, Any] = {}
        for entry in fields(cls):
            name = variable(entry.name)
            if name not in environment:
                continue
            try:
                given[entry.name] = entry.metadata["read"](environment[name])
            except (ValueError, KeyError) as error:
                msg = f"{name}: {entry.metadata['expected']} expected, got something else"
                raise BadInput(msg) from error
        return cls(**given)

    @property
    def is_guarded(self) -> bool:
        """Whether callers need a key or a token."""
        return self.api_keys_file is not None or self.token_issuer is not None

    @property
    def facilities(self) -> frozenset[str] | None:
        """Facilities whose ADT messages are taken; None for all."""
        return frozenset((self.adt_facilities or "").replace(",", " ").split()) or None

    @property
    def takes_tests(self) -> bool:
        """Whether test patients may be scored: where it was said, or on a service without keys."""
        return self.adt_test or not self.is_guarded

    @property
    def token_trust(self) -> tuple[str, str, str] | None:
        """Issuer, audience and keys of tokens; None where tokens are not taken.

        Raises
        ------
        BadInput
            Some of the three are set and others are not.
        """
        names = ("token_issuer", "token_audience", "token_keys")
        issuer, audience, keys = (getattr(self, name) for name in names)
        if issuer and audience and keys:
            return issuer, audience, keys
        if issuer or audience or keys or self.token_sites_claim:
            msg = f"{', '.join(map(variable, names))}: all three expected, or none"
            raise BadInput(msg)
        return None

    @property
    def database(self) -> str:
        """Address of the database.

        Raises
        ------
        BadInput
            The address is of another kind of database.
        """
        if self.database_url is None:
            return f"sqlite:///{self.var / 'homeward.db'}"
        scheme, found, rest = self.database_url.partition("://")
        if not found or not rest.strip("/") or scheme not in {"sqlite", "postgresql"}:
            msg = (
                f"{variable('database_url')}: sqlite:///PATH or postgresql://USER@HOST/NAME "
                "expected, got another kind of address"
            )
            raise BadInput(msg)
        return self.database_url


NAMES: Final = tuple(variable(entry.name) for entry in fields(Settings))
