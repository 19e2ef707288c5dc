"""Addresses of lists of networks."""

from __future__ import annotations

from django import template

from hosts.networks.listing import NetworkQuery

register = template.Library()


@register.simple_tag
def query_url(query: NetworkQuery, **changes: str) -> str:
    """The address of the list with some of it changed."""
    return query.url(**changes)
