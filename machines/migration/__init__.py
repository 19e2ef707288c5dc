"""Machines moved from host to host, and hosts drained."""
