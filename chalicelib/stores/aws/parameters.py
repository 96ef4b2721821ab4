"""Settings that are kept in Parameter Store, under one path a stage: `/collections/DATABASE_URL` is DATABASE_URL.

A value such as `/aws/reference/secretsmanager/collections/database` stands for that secret of Secrets Manager.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import errors

log = logging.getLogger("collections.settings")
REFERENCE = "/aws/reference/secretsmanager/"
PAGE = 10  # the most that GetParametersByPath takes
TTL_S = 300.0
# Between two reads, whatever is doubted: the whole fleet shares 40 reads a second.
MIN_INTERVAL_S = 15.0


class Parameters:
    """The parameters under `path`, read at the first need and again when they are old or doubted."""

    def __init__(
        self, client: Callable[[], Any], *, path: str, clock: Callable[[], float], ttl_s: float = TTL_S
    ) -> None:
        self._client = client
        self._path = path.rstrip("/") + "/"
        self._clock = clock
        self._ttl_s = ttl_s
        self._values: Mapping[str, str] | None = None
        self._read_at = self._due_at = float("-inf")

    def values(self) -> Mapping[str, str]:
        """Return the parameters by name. Raise Unavailable or Misconfigured when none were ever read."""
        if self._clock() >= self._due_at:
            self._refresh()
        assert self._values is not None
        return self._values

    def has_changed(self) -> bool:
        """Read again if that is due. Return True when a value is another than before."""
        before = self._values
        return before is not None and self.values() != before

    def write(self, name: str, secret: str) -> None:
        """Keep a secret under this name. Raise Unavailable or Misconfigured."""
        try:
            self._client().put_parameter(
                Name=self._path + name, Value=secret, Type="SecureString", Overwrite=True
            )
        except (ClientError, BotoCoreError) as error:
            raise _translated(error) from error
        self._due_at = float("-inf")

    def doubt(self) -> None:
        """Have the next call read again, but not before MIN_INTERVAL_S have passed: a key or a value was refused."""
        self._due_at = min(self._due_at, self._read_at + MIN_INTERVAL_S)

    def _refresh(self) -> None:
        try:
            self._values = self._read()
        except errors.Unavailable:
            if self._values is None:
                raise
            log.warning("the parameters could not be read again; the old ones stay", exc_info=True)
        self._read_at = self._clock()
        self._due_at = self._read_at + self._ttl_s

    def _read(self) -> dict[str, str]:
        try:
            found = dict(self._by_path())
            return {name: self._resolve(name, value) for name, value in found.items()}
        except (ClientError, BotoCoreError) as error:
            raise _translated(error) from error

    def _by_path(self) -> Iterator[tuple[str, str]]:
        asked: dict[str, Any] = {"Path": self._path, "WithDecryption": True, "MaxResults": PAGE}
        while True:
            page = self._client().get_parameters_by_path(**asked)
            for each in page["Parameters"]:
                yield each["Name"].removeprefix(self._path), each["Value"]
            if not page.get("NextToken"):
                return
            asked["NextToken"] = page["NextToken"]

    def _resolve(self, name: str, value: str) -> str:
        """Return the secret that the value stands for, or else the value."""
        if not value.startswith(REFERENCE):
            return value
        try:
            return str(self._client().get_parameter(Name=value, WithDecryption=True)["Parameter"]["Value"])
        except ClientError as error:
            if _code(error) in ("ParameterNotFound", "AccessDeniedException"):
                raise errors.InvalidSetting(f"{name}: refers to a secret that cannot be read") from error
            raise


def _code(error: Exception) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def _translated(error: Exception) -> errors.Unavailable:
    code = _code(error)
    if code in ("AccessDeniedException", "ValidationException"):
        return errors.Misconfigured(f"Parameter Store refused: {code}.", code="parameters_refused")
    return errors.Unavailable("Parameter Store is away; try again soon.", code="parameters_unavailable")
