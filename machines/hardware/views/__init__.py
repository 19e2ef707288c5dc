"""Pages of a machine's hardware, its definition as XML, its tags, and what its guest's agent can be asked.

What changes the machine is proposed first, with its diff, and becomes a job when it is confirmed (machines.hardware.actions).
"""
