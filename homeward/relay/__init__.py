"""What other tools are told of the worklist: webhooks, dataset drops, a trust's own adapter.

Nothing here is asked from outside: it asks the service, as any caller does, and tells. Read in this
order: ``tracker`` (what is told, and the seam of whoever is told), ``noticing`` (from two lists to
notices), ``outbox`` (kept until they are taken), ``webhook`` and ``drop`` (two trackers),
``trackers_file`` (which there are), ``loop`` (look, keep, tell).
"""
