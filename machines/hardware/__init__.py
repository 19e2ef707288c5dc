"""Devices and definition of a machine, looked at and changed."""
