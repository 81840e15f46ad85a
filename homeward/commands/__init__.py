"""One file a command: parse what was asked, call a room's function, show the result."""
