"""Makes the services behind the gateway."""

from ipaddress import ip_network
from time import monotonic

from chalicelib.model.gateway.gateway import identity_key
from chalicelib.model.gateway.gateway_routes import ROUTES, variable_of
from chalicelib.providers import Upstream
from chalicelib.providers.gateway.upstream import HttpUpstream
from chalicelib.providers.gateway.upstream_service import UpstreamService
from chalicelib.providers.http.dial import AddressRules, origin_of
from chalicelib.settings import InvalidSetting, Settings


def make_upstreams(found: Settings) -> dict[str, Upstream]:
    """Return the services that the settings name, by name. Raise InvalidSetting for one that no route leads to."""
    networks = tuple(ip_network(network) for network in found.upstream_allow_private)
    rules = AddressRules(allow_private=networks, allow_loopback=found.environment == "local")
    services: dict[str, Upstream] = {}
    for name, url in found.upstream_urls.items():
        if name not in {route.upstream for route in ROUTES}:
            raise InvalidSetting(f"{variable_of(name)}: no route of the gateway leads there")
        origin = origin_of(url)
        services[name] = UpstreamService(
            name=name,
            url=url,
            base_path=origin.base_path,
            key=identity_key(found.upstream_identity_secret or "", name),
            send=HttpUpstream(origin, rules=rules).send,
            clock=monotonic,
        )
    return services
