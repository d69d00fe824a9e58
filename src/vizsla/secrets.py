"""Credentials, from the environment or the keyring: never from the command line, never into a log or a lake."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

SERVICE = "vizsla"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Whatever there is of a token, or of a name and a password; shown nowhere."""

    token: str = field(default="", repr=False)
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def __bool__(self) -> bool:
        return bool(self.token or self.user)


def credentials(place: str) -> Credentials:
    """For a host or host:port: VIZSLA_TOKEN, or VIZSLA_USER and VIZSLA_PASSWORD; else the keyring's.

    The keyring (where it is installed) holds under the service `vizsla:PLACE` the entries `token`, or `user` and
    `password`: `keyring set vizsla:es.example:9200 token`.
    """
    token, user = os.environ.get("VIZSLA_TOKEN", ""), os.environ.get("VIZSLA_USER", "")
    if token or user:
        return Credentials(token, user, os.environ.get("VIZSLA_PASSWORD", ""))
    return _from_keyring(place)


def _from_keyring(place: str) -> Credentials:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return Credentials()
    service = f"{SERVICE}:{place}"
    try:
        held = [keyring.get_password(service, name) or "" for name in ("token", "user", "password")]
    except KeyringError:  # no keyring on this machine: nothing is held in it
        return Credentials()
    return Credentials(*held)
