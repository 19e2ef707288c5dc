"""Pools and volumes of a host."""
