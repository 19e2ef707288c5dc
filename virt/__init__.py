"""The libvirt gateway: everything the portal says to a hypervisor, and nothing else.

No Django, Celery or Channels in here. What crosses the border to the rest of the portal are
frozen dataclasses and the exceptions of `virt.errors`; `libvirt` itself is imported nowhere else.
"""
