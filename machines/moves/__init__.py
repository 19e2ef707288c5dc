"""Many machines moved at once: a selection of the list, or all of a host that goes into maintenance, and their way back."""
