"""The front door: the ``homeward`` command, a table of commands, each a thin call into a room.

The only package that may import every room; no room imports it.
"""
