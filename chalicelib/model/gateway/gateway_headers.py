"""Which headers go through the gateway: a caller's to an upstream, and an upstream's to a caller.

Names are compared in one spelling (`plain`): some servers take X_Forwarded_For and X.Forwarded.For for
X-Forwarded-For.
"""

import re
from collections.abc import Iterable

from chalicelib.errors import InvalidInput
from chalicelib.model.gateway.gateway import Headers, Inbound

# RFC 9110 7.6.1, and what proxies of old used.
HOP_BY_HOP = {
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te"),
    *("trailer", "transfer-encoding", "upgrade", "http2-settings"),
}
# What only the gateway may say to an upstream. A caller's own word for it is dropped: these names ...
_OURS = {
    *("host", "content-length", "expect", "x-request-id"),
    *("front-end-https", "x-scheme", "x-url-scheme"),
    *("x-user", "x-userid", "x-userinfo", "x-username"),
}
# ... these names and all that begin with them and a dash ...
_FAMILIES = (
    # where a request comes from, by which way and to which host, as proxies tell it;
    # "proxy" is CGI's HTTP_PROXY as well (CVE-2016-5385)
    *("forwarded", "x-forwarded", "x-original", "x-originating", "x-rewrite", "x-envoy", "x-arr", "x-real"),
    *("proxy", "x-proxy", "x-proxyuser", "wl-proxy", "x-host", "x-http-host", "true-client"),
    # the same, as CDNs and clouds tell it
    *("akamai", "x-akamai", "cf", "cloudfront", "fastly", "fly", "incap", "x-appengine", "x-azure", "x-fd"),
    *("x-nf", "x-sucuri", "x-vercel"),
    # who asks, as authenticating proxies tell it: CGI, Authelia, Kubernetes, oauth2-proxy, Grafana, Kong, APISIX,
    # Google IAP, AWS' load balancer and API Gateway, Azure, Tailscale, Pomerium, Vouch, nginx and others for TLS
    *("remote", "x-remote", "x-auth-request", "x-auth-user", "x-authenticated", "x-authentik", "x-webauth"),
    *("x-consumer", "x-credential", "x-anonymous", "x-goog-authenticated-user", "x-goog-iap", "x-amzn-oidc"),
    *("x-amzn-mtls", "x-ms-client-principal", "x-ms-token", "tailscale", "x-pomerium", "x-vouch"),
    *("x-user-id", "x-user-name", "x-user-email", "x-user-role", "x-user-roles", "x-user-groups"),
    *("ssl-client", "x-ssl", "x-tls-client", "x-client-dn", "x-client-verify"),
    # which method and path a request has
    *("x-http-method", "x-method"),
    "x-collections",
)
# ... and, whoever invented the name, addresses, who something is forwarded for, and clients' certificates.
_NAMING = re.compile(
    r"(^|-)(ips?|ipv?4|ipv?6|addr)$"
    r"|(client|connecting|connection|peer|real|remote|socket|source|src|user|viewer|visitor)-?(ip|ipv?[46]|addr(ess)?)$"
    r"|(^|-)(forwarded|proxied)-|client-?cert"
)
_CREDENTIALS = frozenset({"authorization", "x-api-key"})
# What an upstream's answer would say for the whole origin, which is the console's and other upstreams' as well;
# and what is the gateway's to say.
_NOT_THEIRS = {
    "content-length": "API Gateway's: it is the body's as we hand it over",
    "x-request-id": "the gateway's own",
    "strict-transport-security": "ours; an upstream's could switch it off, or bind every host below",
    "public-key-pins": "could lock browsers out of the origin",
    "public-key-pins-report-only": "sends reports about the origin elsewhere",
    "expect-ct": "could lock browsers out of the origin, and sends reports elsewhere",
    "clear-site-data": "would empty the console's storage and sign its user out",
    "alt-svc": "would lead the whole origin's requests to another server",
    "nel": "reports requests for the whole origin elsewhere",
    "report-to": "names for the whole origin where reports go",
    "origin-agent-cluster": "decides for every page of the origin, whichever comes first",
    "service-worker-allowed": "would let a worker of the upstream's answer for the console",
    "accept-ch": "asks for client hints in every request to the origin",
    "use-as-dictionary": "would decode answers to other paths",
    "set-login": "sets for the whole origin whether the browser's user is signed in",
    "sec-session-registration": "starts a session that belongs to the whole origin",
    "secure-session-registration": "the same by its newer name",
}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]*\Z")
_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]")


def plain(name: str) -> str:
    """Return a header's name in the one spelling that all count for: lower case, every other sign a dash.

    CGI and WSGI take X_A and X-A for the same; Apache 2.2 does so with X.A, X~A and so on.
    """
    return _NOT_ALPHANUMERIC.sub("-", name.lower())


def is_of(name: str, families: Iterable[str]) -> bool:
    """Return whether a name in its plain spelling is one of the families, or begins with one and a dash."""
    return any(name == family or name.startswith(f"{family}-") for family in families)


def request_headers(inbound: Inbound, *, pass_authorization: bool) -> Headers:
    """Return the caller's end-to-end headers without what only the gateway may say, and after them the gateway's.

    Raises InvalidInput for a header that cannot be sent.
    """
    dropped = _OURS if pass_authorization else _OURS | _CREDENTIALS
    passed = [
        (name, value)
        for name, value in end_to_end(inbound.headers)
        if (same := plain(name)) not in dropped and not is_of(same, _FAMILIES) and not _NAMING.search(same)
    ]
    if not are_well_formed(passed):
        raise InvalidInput("A header has characters that no header can have.", code="invalid_header")
    return (*passed, *_forwarding(inbound))


def response_headers(headers: Headers) -> Headers:
    """Return an upstream's end-to-end headers without those that are not its own to say."""
    return tuple((name, value) for name, value in end_to_end(headers) if plain(name) not in _NOT_THEIRS)


def end_to_end(headers: Headers) -> Headers:
    """Return the headers without the hop-by-hop ones and those that Connection names (RFC 9110 7.6.1)."""
    named = {
        plain(option.strip())
        for name, value in headers
        if plain(name) == "connection"
        for option in value.split(",")
    }
    return tuple((name, value) for name, value in headers if plain(name) not in HOP_BY_HOP | named)


def are_well_formed(headers: Iterable[tuple[str, str]]) -> bool:
    return all(_TOKEN.match(name) and _VALUE.match(value) for name, value in headers)


def _forwarding(inbound: Inbound) -> Headers:
    """Return RFC 7239's header, and what everybody reads instead."""
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
