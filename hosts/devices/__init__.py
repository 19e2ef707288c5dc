"""What a host could hand to machines, and whether it is ready for them."""
