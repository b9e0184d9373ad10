"""Simulated providers: what Frontdesk talks to when nothing may leave this computer.

Written from the vendors' documentation and never from Frontdesk's own parsers: a simulator built
from our parser would share its mistakes.
"""
