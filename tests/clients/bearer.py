"""What the tests of bearer tokens share: an audience, a question, and a directory that reads groups of tokens."""

from __future__ import annotations

import wire
from gateway import Gateway
from wire import Raw, Refused

AUDIENCE = "https://gateway.test"
QUESTION = wire.statement("SELECT count(*) AS n FROM sales.orders")


def ask(trusting: Gateway, token: str) -> bytes | Refused:
    """The answer's bytes, or the refusal."""
    client = Raw.connect(trusting.address, ("authorization", f"Bearer {token}"))
    try:
        return client.read(QUESTION)
    except Refused as refusal:
        return refusal


def with_groups_claim(principals: str) -> str:
    """`principals.toml`, with the groups of tokens read from the claim `groups`."""
    claim = 'claim = "groups"'
    if "\n[groups]\n" in principals:
        return principals.replace("\n[groups]\n", f"\n[groups]\n{claim}\n")
    return f"{principals}\n[groups]\n{claim}\n"
