"""What others may want to know at once; `live` listens, so that open sockets close or look again."""

from __future__ import annotations

from django.dispatch import Signal

rights_changed = Signal()  # user_id: what this person may, or whether they may be here at all
session_ended = Signal()  # session_key
session_renewed = Signal()  # session_key: the old one
people_changed = Signal()  # the list of people shows something else
