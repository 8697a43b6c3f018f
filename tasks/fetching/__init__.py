"""Fetching of what others serve: politely, within limits, and from public addresses only."""
