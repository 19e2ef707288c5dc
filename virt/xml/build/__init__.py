"""Building libvirt's XML: trees, never text pasted together. What libvirt would choose well by itself is left to it."""
