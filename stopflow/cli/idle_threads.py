"""What idle threads of the numerical libraries do, which read it once, when torch is loaded."""

import os
from typing import Final

POLICY: Final = "OMP_WAIT_POLICY"
ASKED: Final = os.environ.get(POLICY)
"""The user's own setting."""


def let_idle_threads(policy: str) -> None:
    """Let them sleep (``PASSIVE``) or spin (``ACTIVE``), unless the user has said it."""
    os.environ[POLICY] = ASKED or policy
