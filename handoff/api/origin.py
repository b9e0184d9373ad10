"""Whether a browser's request comes from our own page. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from core.errors import Forbidden

_PORTS = {"http": 80, "https": 443}
_OWN_SITE = frozenset({"same-origin", "none"})


def origin_of(url: str) -> str:
    """Return an address's origin the way browsers write it: lower case, ASCII, no default port."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if not host.isascii():
        host = host.encode("idna").decode()
    if ":" in host:
        host = f"[{host}]"
    port = parts.port
    tail = "" if port is None or port == _PORTS.get(parts.scheme) else f":{port}"
    return f"{parts.scheme}://{host}{tail}"


def is_own(origin: str, *, host: str | None, public: str) -> bool:
    """Say whether an Origin is ours: exactly the public one, or this very host on loopback.

    `host` is the request's Host header, `public` the origin of public_url. Ports count: another
    program's page on this machine is not ours.
    """
    if origin == public:
        return True
    return host is not None and _is_loopback(host) and origin == f"http://{host}"


def need_own_page(headers: Mapping[str, str], public: str) -> None:
    """Refuse a request that a browser made for another site's page."""
    origin = headers.get("origin")
    if origin is not None and not is_own(origin, host=headers.get("host"), public=public):
        raise Forbidden(
            f"Requests of pages elsewhere are refused; ours is {public}.", code="origin"
        )
    if headers.get("sec-fetch-site", "none") not in _OWN_SITE:
        raise Forbidden("Requests of pages elsewhere are refused.", code="origin")


def _is_loopback(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name == "localhost" or name.endswith(".localhost"):
            return True
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
