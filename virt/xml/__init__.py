"""libvirt's XML: reading it, and building it. No libvirt in here; text in, text out."""
