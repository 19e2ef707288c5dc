"""Changing a domain's definition: its tree is edited in place, never rebuilt, so that what nobody here has heard of survives."""
