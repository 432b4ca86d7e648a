"""Finds routes of an application and of Sluice that hide each other."""

from __future__ import annotations

from werkzeug.routing import Map

# Of all of Sluice's routes.
_OWN = "sluice."


def describe_hidden_rules(rules: Map) -> list[str]:
    """Return a sentence for each path for which both have a route with a common method.

    Args:
        rules: All routes of the application, `app.url_map`.
    """
    all_rules = list(rules.iter_rules())
    own = {rule.rule: rule.methods or set() for rule in all_rules if rule.endpoint.startswith(_OWN)}
    return [
        f"the application has a route of its own for {rule.rule} ({rule.endpoint}), so one of the two is "
        "never reached; url_prefix should be another path"
        for rule in all_rules
        if not rule.endpoint.startswith(_OWN) and own.get(rule.rule, set()) & (rule.methods or set()) - {"OPTIONS"}
    ]
