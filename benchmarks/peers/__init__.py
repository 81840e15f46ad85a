"""Peers: what a data scientist would reach for instead, one model a threshold.

All get the same matrix as Homeward, choose their size in the same way, and are calibrated in the
same way. Their other settings were chosen on the partition that Homeward's were chosen on, never on
the ones that are reported; docs/benchmarks.md says how many were tried.
"""

from benchmarks.peers.peer import Peer
from benchmarks.peers.table import PEERS, add_peers, chosen_peers

__all__ = ["PEERS", "Peer", "add_peers", "chosen_peers"]
