"""A real, certified OpenID provider (npm `oidc-provider`) on the loopback."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import pytest

from bearer import AUDIENCE

needs_node = pytest.mark.skipif("AIRSIDE_OIDC_DIR" not in os.environ, reason="needs node: run `make clients`")


class Provider:
    """The provider process."""

    def __init__(
        self, folder: Path, clients: Sequence[dict] = (), people: Sequence[dict] = (), **settings: str
    ) -> None:
        home = Path(os.environ["AIRSIDE_OIDC_DIR"])
        # Node resolves packages beside the script that imports them.
        script = shutil.copy(Path(__file__).parent.parent / "oidc" / "server.mjs", home / "server.mjs")
        told = {"PORT": "0", "AUDIENCE": AUDIENCE, "CLIENTS": json.dumps(clients), "PEOPLE": json.dumps(people)}
        log = folder / "provider.log"
        # Once in a great many runs node hangs as it starts, on a lock of its own; it is then started once more.
        environment = {**os.environ, **told, **settings}
        ready = self._start(script, log, environment) or self._start(script, log, environment)
        assert ready, f"the provider did not start: {log.read_text()}"
        self.issuer = ready

    def _start(self, script: str, log: Path, environment: dict[str, str]) -> str | None:
        """Starts the process and answers the issuer it is; none if it does not say in time."""
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                ["node", script], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
            )
        end = time.monotonic() + 20
        while time.monotonic() < end and self.process.poll() is None:
            if ready := re.search(r"^ready (\S+)$", log.read_text(), re.MULTILINE):
                return ready[1]
            time.sleep(0.1)
        self.process.kill()
        self.process.wait(10)
        return None

    def token(self, client: str, **parameters: str) -> str:
        """An access token, as the provider gives it to a client for its secret."""
        form = {"grant_type": "client_credentials", "client_id": client, "client_secret": f"{client}-secret"}
        body = urllib.parse.urlencode({**form, "scope": "query", **parameters}).encode()
        with urllib.request.urlopen(f"{self.issuer}/token", body, timeout=20) as answer:
            return json.load(answer)["access_token"]

    def decide(self, user_code: str, **decision: str) -> None:
        """What a person does in a browser with the code of a device: `account="ada"`, or `error="access_denied"`."""
        query = urllib.parse.urlencode({"user_code": user_code, **decision})
        request = urllib.request.Request(f"{self.issuer}/decide?{query}", method="POST")
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.status == 204

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
