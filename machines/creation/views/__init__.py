"""Pages that make machines, copy, rename and delete them."""
