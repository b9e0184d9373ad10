"""Lets `python -m core.cli` stand for the command `frontdesk`."""

from core.cli import main

if __name__ == "__main__":
    main()
