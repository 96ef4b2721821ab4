"""Forward a request to the service behind its route, and return the service's answer."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace

from chalicelib.errors import Unavailable, UpstreamFailed
from chalicelib.logs import describe_error
from chalicelib.model.accounts.limits import address_key
from chalicelib.model.gateway import gateway, http_cache
from chalicelib.model.gateway.gateway import Headers, Identity, Inbound, Outbound, UpstreamAnswer
from chalicelib.model.gateway.gateway_headers import request_headers, response_headers
from chalicelib.model.gateway.gateway_routes import GatewayRoute
from chalicelib.providers import Upstream as Upstream
from chalicelib.stores import cache_entries
from chalicelib.stores.postgres.tx import Tx
from chalicelib.tracing import names, spans

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

T = TypeVar("T")
log = logging.getLogger("collections.gateway")

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
CACHE_TIMEOUT_S = 1.0  # a slower cache is skipped


def forward(
    inbound: Inbound,
    route: GatewayRoute,
    identity: Identity | None,
    *,
    upstream: Upstream,
    db: "Database | None",
    now_s: float,
) -> UpstreamAnswer:
    """Return the service's response or a cached one, with end-to-end headers only. `db` has the cache; None: no cache.

    Raise UpstreamFailed or a subclass, Unavailable while the circuit breaker is open, InvalidInput.
    """
    target = gateway.target_of(upstream.base_path, route.prefix if route.strip else "", inbound)
    headers = request_headers(inbound, pass_authorization=route.pass_authorization)
    cache = _Cache(db, identity, key=http_cache.key_of(upstream.url, target)) if db and route.cache else None
    if cache and http_cache.is_cacheable(inbound.method, headers, inbound.body):
        headers = request_headers(
            http_cache.without_client_headers(inbound), pass_authorization=route.pass_authorization
        )
        if kept := cache.find(headers):
            return kept
    if identity is not None:
        signed = gateway.sign_identity(
            identity,
            key=upstream.key,
            upstream=upstream.name,
            method=inbound.method,
            path=target.partition("?")[0],
            request_id=inbound.request_id,
            now_s=now_s,
        )
        headers = (*headers, (gateway.IDENTITY_HEADER, signed))
    caller = f"user:{identity.user_id}" if identity else address_key(inbound.client.address)
    try:
        with spans.span(f"{inbound.method} {upstream.name}", kind="client") as span:
            traced = (*headers, ("traceparent", spans.traceparent() or ""))
            request = Outbound(method=inbound.method, target=target, headers=traced, body=inbound.body)
            answer = upstream.ask(request, caller=caller, timeout_s=route.timeout_s)
            span.attributes |= {names.UPSTREAM: upstream.name, names.HTTP_STATUS: answer.status}
    except (UpstreamFailed, Unavailable) as error:
        told = {"upstream": upstream.name, "code": error.code, "request_id": inbound.request_id}
        log.warning("upstream gave no answer", extra={**told, "error": describe_error(error)})
        raise
    answer = replace(answer, headers=response_headers(answer.headers))
    if cache:
        cache.take(inbound.method, answer)
    return answer


class _Cache:
    """The cached responses of one URL. While the database is not available the gateway works without a cache.

    Call `find` before `take`: it computes the variants under which a response is stored.
    """

    def __init__(self, db: "Database", identity: Identity | None, *, key: str) -> None:
        self._db, self._key = db, key
        self._user_id, self._roles = (identity.user_id, identity.roles) if identity else ("", ())
        self._own = self._public = ""

    def find(self, headers: Headers) -> UpstreamAnswer | None:
        """Return the cached response to a request with these headers, with its Age; None if there is none."""
        self._own, self._public = http_cache.variant_of(headers, self._roles), http_cache.variant_of(headers)
        if not http_cache.accepts_cached(headers):
            return None
        found = self._try(
            lambda tx: cache_entries.find(
                tx, self._user_id, self._key, own_variant=self._own, public_variant=self._public
            )
        )
        if found is None:
            return None
        kept = (*((name, value) for name, value in found.headers), ("Age", str(found.age_s)))
        return UpstreamAnswer(status=200, headers=kept, body=bytes(found.body))

    def take(self, method: str, answer: UpstreamAnswer) -> None:
        """Store the response if that is allowed.

        After a change delete the entries that it makes invalid (RFC 9111 4.4).
        """
        if method not in SAFE and 200 <= answer.status < 400:
            self._try(lambda tx: cache_entries.delete(tx, self._user_id, self._key))
        policy = http_cache.cache_policy_of(answer) if self._public else None
        if policy is None or not (policy.public or self._user_id):
            return
        self._try(
            lambda tx: cache_entries.upsert(
                tx,
                "" if policy.public else self._user_id,
                self._key,
                variant=self._public if policy.public else self._own,
                headers=[(name, value) for name, value in answer.headers if name.lower() != "age"],
                body=answer.body,
                age_s=policy.age_s,
                fresh_s=policy.fresh_s,
            )
        )

    def _try(self, work: Callable[[Tx], T]) -> T | None:
        try:
            return self._db.transact(self._user_id, work, timeout_s=CACHE_TIMEOUT_S)
        except Unavailable as error:
            log.warning("gateway cache away", extra={"code": error.code})
            return None
