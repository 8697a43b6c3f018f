"""Serving: questions to a store over HTTP on this machine, and as tools of an agent. Nothing here writes to a store."""
