"""Clients nobody here wrote, against every server."""
