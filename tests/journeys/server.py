"""`frontdesk` with one fault of tests/journeys/faults.py sown into it.

Run as a program: `python tests/journeys/server.py FAULT serve --config FILE --port N`.
"""

from __future__ import annotations

import sys

from core.cli import main
from tests.journeys.faults import FAULTS

if __name__ == "__main__":
    FAULTS[sys.argv.pop(1)]()
    main()
