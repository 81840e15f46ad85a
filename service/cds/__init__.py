"""CDS Hooks 2.0: a card in the record when a patient is opened."""
