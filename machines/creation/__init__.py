"""Machines made, imported, cloned, renamed, deleted."""
