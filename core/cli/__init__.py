"""The command `frontdesk`."""

from __future__ import annotations

import os


def main() -> None:
    """Run the command line. Each command imports what it needs, so that --help is quick."""
    from core.cli.app import app

    os.umask(0o077)  # databases, copies and files hold what customers wrote
    app()
