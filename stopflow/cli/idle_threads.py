"""What the threads of the numerical libraries do while they wait, unless the user has said it."""

import os
from typing import Final

POLICY: Final = "OMP_WAIT_POLICY"
ASKED: Final = os.environ.get(POLICY)
"""The user's own setting."""


def let_sleep() -> None:
    """Let idle threads sleep: they leave the processor to other processes."""
    os.environ[POLICY] = ASKED or "PASSIVE"


def let_spin() -> None:
    """Let idle threads spin: small products follow each other without a pause.

    The libraries read the setting once, when torch is loaded.
    """
    os.environ[POLICY] = ASKED or "ACTIVE"
