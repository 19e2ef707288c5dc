"""Whether a host is ready for machines: each thing that matters, what it means where it lacks, and how to mend it."""
