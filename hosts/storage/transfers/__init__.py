"""Bytes between browsers, other web servers and the volumes of hosts: uploads, fetches, downloads."""
