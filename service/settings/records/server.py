"""The settings of the server: where it listens, under which names, behind which proxies, with how many workers."""

from __future__ import annotations

from dataclasses import dataclass

from ..fields import Switch, setting
from ..parsers import count, host_names, is_loopback, listen_address, one_of, printable_text


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Addresses and names, proxies, and worker processes."""

    host: str = setting("HOST", listen_address, "127.0.0.1", "The address to listen on.")
    port: int = setting("PORT", count(0, 65535, ""), 8000, "The port to listen on; 0 picks a free one.")
    allowed_hosts: tuple[str, ...] = setting(
        "SLUICE_ALLOWED_HOSTS",
        host_names,
        (),
        "The names under which the server is reached, with commas between them; `.example.com` for that name and all "
        "below it, `*` for any. Requests for other names are refused; localhost and addresses always work. Default: "
        "any name where `SLUICE_TRUSTED_PROXIES` is set or `HOST` is not loopback, else none.",
    )
    trusted_proxies: int = setting(
        "SLUICE_TRUSTED_PROXIES",
        count(0, 10, "proxies"),
        0,
        "How many proxies stand in front, whose X-Forwarded-For is believed.",
    )
    client_ipv6_prefix: int = setting(
        "SLUICE_CLIENT_IPV6_PREFIX",
        count(32, 128, "bits"),
        64,
        "How many leading bits of an IPv6 address stand for one client; providers hand out networks of 64, 56 or 48.",
    )
    workers: int = setting("WEB_CONCURRENCY", count(1, 1_000, "workers"), 1, "Worker processes.")
    pin_cpu: Switch = setting(
        "SLUICE_PIN_CPU",
        one_of("on", "off"),
        "on",
        "`on` keeps each worker on one CPU while it has that one for itself; `off` leaves it to the system.",
    )
    doctor: Switch = setting(
        "SLUICE_DOCTOR",
        one_of("on", "off"),
        "on",
        "`on` lets those who may chat check the deployment by `flask sluice doctor`: it asks no model, and "
        "tells which "
        "server this is and what its limits are.",
    )
    metrics_directory: str = setting(
        "PROMETHEUS_MULTIPROC_DIR",
        printable_text,
        "",
        "The directory through which workers add up their metrics. Default: a temporary one for each server.",
    )

    @property
    def reachable_names(self) -> tuple[str, ...]:
        """The names under which the server is reached, besides loopback's: lower-case, `.name` for all below, or `*`.

        A page can point its own name at loopback (DNS rebinding), so a server there answers to none that was not
        allowed. A proxy passes on names that only its operator knows, and so does a network in which others reach us.
        """
        if self.allowed_hosts:
            return self.allowed_hosts
        return ("*",) if self.trusted_proxies or not is_loopback(self.host) else ()

    def contradictions(self) -> list[str]:
        """Return one sentence for each pair of values that do not go together."""
        found = []
        if not is_loopback(self.host) and not self.trusted_proxies:
            found.append(
                f"HOST is {self.host!r}, which is reached from other machines (of a container: through a published "
                "port), and SLUICE_TRUSTED_PROXIES is 0: without a proxy in front, slow clients can hold all "
                "connections, and nothing is encrypted."
            )
            if not self.allowed_hosts:
                found.append(
                    f"HOST is {self.host!r}, and SLUICE_ALLOWED_HOSTS is not set: a page of any site can point its "
                    "name at this machine and read answers. It should list the names under which it is reached."
                )
        return found
