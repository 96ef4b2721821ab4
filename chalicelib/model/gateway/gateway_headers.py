"""Filters the headers that the gateway forwards, from a caller to an upstream and back.

Names are compared in one spelling (`canonical_name`), as some servers treat X_Forwarded_For and X.Forwarded.For like
X-Forwarded-For.
"""

import re
from collections.abc import Iterable

from chalicelib.errors import InvalidInput
from chalicelib.model.gateway.gateway import Headers, Inbound

# RFC 9110 7.6.1, and headers of older proxies.
HOP_BY_HOP = {
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te"),
    *("trailer", "transfer-encoding", "upgrade", "http2-settings"),
}
# Headers that only the gateway may send to an upstream. A caller's own are dropped: these names ...
_ONLY_FROM_GATEWAY = {
    *("host", "content-length", "expect", "x-request-id", "traceparent", "tracestate"),
    *("front-end-https", "x-scheme", "x-url-scheme"),
    *("x-user", "x-userid", "x-userinfo", "x-username"),
}
# ... these names and all names that begin with one of them and a dash ...
_FAMILIES = (
    # where a request comes from, its way and its host, as proxies state them;
    # "proxy" is also CGI's HTTP_PROXY (CVE-2016-5385)
    *("forwarded", "x-forwarded", "x-original", "x-originating", "x-rewrite", "x-envoy", "x-arr", "x-real"),
    *("proxy", "x-proxy", "x-proxyuser", "wl-proxy", "x-host", "x-http-host", "true-client"),
    # the same, as CDNs and clouds state it
    *("akamai", "x-akamai", "cf", "cloudfront", "fastly", "fly", "incap", "x-appengine", "x-azure", "x-fd"),
    *("x-nf", "x-sucuri", "x-vercel", "l5d"),
    # the user, as authenticating proxies state it: CGI, Authelia, Kubernetes, oauth2-proxy, Grafana, Kong, APISIX,
    # Google IAP, AWS' load balancer and API Gateway, Azure, Tailscale, Pomerium, Vouch, nginx and others for TLS
    *("remote", "x-remote", "x-auth-request", "x-auth-user", "x-authenticated", "x-authentik", "x-webauth"),
    *("x-consumer", "x-credential", "x-anonymous", "x-goog-authenticated-user", "x-goog-iap", "x-amzn-oidc"),
    *("x-amzn-mtls", "x-ms-client-principal", "x-ms-token", "tailscale", "x-pomerium", "x-vouch"),
    # Google's API gateways, WSO2, Hasura, SiteMinder, WebSEAL, Oracle, mod_auth_openidc, Mellon, Shibboleth, OpenStack
    *(
        "x-endpoint-api",
        "x-apigateway-api",
        "x-jwt",
        "x-hasura",
        "sm",
        "iv",
        "oam",
        "oidc",
        "x-oidc",
        "mellon",
    ),
    *("shib", "x-identity", "x-authelia", "x-auth-name", "x-auth-email", "x-auth-sub", "x-auth-subject"),
    *("impersonate", "x-impersonate", "x-on-behalf-of", "x-principal", "x-subject", "x-spiffe", "x-mtls"),
    *("ssl-client", "x-ssl", "x-tls-client", "x-client-dn", "x-client-verify"),
    # a request's method and path
    *("x-http-method", "x-method"),
    "x-collections",
)
# ... and all names that look like addresses, forwarding, client certificates, users or their roles.
_NAMING = re.compile(
    r"(^|-)(ips?|ipv?4|ipv?6|addr)$|ip-?addr(ess)?$|(^|-)ip-auth"
    r"|(client|connecting|connection|peer|real|remote|socket|source|src|user|viewer|visitor)-?(ip|ipv?[46]|addr(ess)?)$"
    r"|(client|remote)-(host|port)$|(^|-)(forward(ed|er)?|proxied)(-|$)|client-?cert"
    r"|user-?(id|name|info|login|e?mail)?$|(^|-)(roles?|groups)$|(^|-)user-(role|group)s?$"
)
_CREDENTIALS = frozenset({"authorization", "x-api-key"})
# Response headers of an upstream that are dropped, each with the reason. Most would apply to the whole origin, which
# the console and the other upstreams share.
_DROPPED_FROM_RESPONSE = {
    "content-length": "API Gateway sets it, from the body that it gets from us",
    "x-request-id": "the gateway sets it",
    "strict-transport-security": "the app sets it; an upstream could switch it off, or bind every subdomain",
    "public-key-pins": "could lock browsers out of the origin",
    "public-key-pins-report-only": "sends reports about the origin elsewhere",
    "expect-ct": "could lock browsers out of the origin, and sends reports elsewhere",
    "clear-site-data": "would empty the console's storage and sign its user out",
    "alt-svc": "would send the whole origin's requests to another server",
    "nel": "reports requests for the whole origin elsewhere",
    "report-to": "sets where reports for the whole origin go",
    "origin-agent-cluster": "applies to every page of the origin; the first response decides",
    "service-worker-allowed": "would let a service worker of the upstream answer the console's requests",
    "accept-ch": "asks for client hints in every request to the origin",
    "use-as-dictionary": "would be used to decode responses of other paths",
    "set-login": "sets for the whole origin whether the browser's user is signed in",
    "sec-session-registration": "starts a session that belongs to the whole origin",
    "secure-session-registration": "the newer name of sec-session-registration",
}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]*\Z")
_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]")


def canonical_name(name: str) -> str:
    """Return a header's name in the spelling used to compare names: lower case, a dash for each other character.

    CGI and WSGI treat X_A and X-A alike; Apache 2.2 does the same with X.A, X~A and so on.
    """
    return _NOT_ALPHANUMERIC.sub("-", name.lower())


def is_of(name: str, families: Iterable[str]) -> bool:
    """Return whether a canonical name is one of the families, or begins with one of them and a dash."""
    return any(name == family or name.startswith(f"{family}-") for family in families)


def request_headers(inbound: Inbound, *, pass_authorization: bool) -> Headers:
    """Return the caller's end-to-end headers without those that only the gateway may send, then the gateway's own.

    The caller's credentials are dropped unless `pass_authorization` is set. Raise InvalidInput for a header that
    cannot be sent.
    """
    dropped = _ONLY_FROM_GATEWAY if pass_authorization else _ONLY_FROM_GATEWAY | _CREDENTIALS
    passed = [
        (name, value)
        for name, value in end_to_end(inbound.headers)
        if (same := canonical_name(name)) not in dropped
        and not is_of(same, _FAMILIES)
        and not _NAMING.search(same)
    ]
    if not are_well_formed(passed):
        raise InvalidInput("A header has characters that are not allowed in headers.", code="invalid_header")
    return (*passed, *_forwarding(inbound))


def response_headers(headers: Headers) -> Headers:
    """Return an upstream's end-to-end headers without those that it must not set."""
    return tuple(
        (name, value)
        for name, value in end_to_end(headers)
        if canonical_name(name) not in _DROPPED_FROM_RESPONSE
    )


def end_to_end(headers: Headers) -> Headers:
    """Return the headers without hop-by-hop headers and those that Connection names (RFC 9110 7.6.1)."""
    named = {
        canonical_name(option.strip())
        for name, value in headers
        if canonical_name(name) == "connection"
        for option in value.split(",")
    }
    return tuple((name, value) for name, value in headers if canonical_name(name) not in HOP_BY_HOP | named)


def are_well_formed(headers: Iterable[tuple[str, str]]) -> bool:
    return all(_TOKEN.match(name) and _VALUE.match(value) for name, value in headers)


def _forwarding(inbound: Inbound) -> Headers:
    """Return the Forwarded header of RFC 7239, the X-Forwarded-* headers that most servers read, and the request id."""
    client = inbound.client
    port = "443" if client.scheme == "https" else "80"
    node = f'"[{client.address}]"' if ":" in client.address else client.address or "unknown"
    return (
        ("Forwarded", f'for={node};host="{client.host}";proto={client.scheme}'),
        ("X-Forwarded-For", client.address or "unknown"),
        ("X-Forwarded-Host", client.host),
        ("X-Forwarded-Port", client.host.rpartition(":")[2] if _has_port(client.host) else port),
        ("X-Forwarded-Proto", client.scheme),
        ("X-Request-Id", inbound.request_id),
    )


def _has_port(host: str) -> bool:
    return host.rpartition("]")[2].rpartition(":")[2].isdigit() and ":" in host.rpartition("]")[2]
