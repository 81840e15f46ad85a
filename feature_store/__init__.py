"""What is known about a spell, and when it was known.

Read in this order: ``vocabulary`` (the words), ``events`` (facts), ``spells`` and ``snapshots``
(questions), ``outcome`` (answers), ``definitions`` and ``compute`` (features), ``dataset`` (disk).
"""
