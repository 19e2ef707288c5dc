"""Virtual networks of a host."""
