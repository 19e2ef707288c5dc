"""Pages of machines: the list, one machine, and what changes something.

Each look-up is an authorisation (machines.access); what changes a machine becomes a job (machines.actions).
"""
