"""Pages that people look at: the worklist, a patient, a ward and a site.

Rendered here, whole, and readable without JavaScript; a small script adds filters, sorting, refresh
and keys. Nothing is loaded from anywhere else, and no address carries an identifier of a patient.
"""
