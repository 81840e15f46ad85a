"""The assurance pack: what the system says of itself, each line with what shows it.

Fixed answers and the hazard log are data (``*.toml``); whatever depends on the model is read from
its bundle. What no software can answer is marked for the deploying organisation.
"""
