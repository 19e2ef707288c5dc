"""Snapshots of a machine."""
