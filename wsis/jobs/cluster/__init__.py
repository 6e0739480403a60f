"""Very many photos, on Ray Data: from and to folders and object stores, in shards that are each finished once."""

import os

# Read when Ray is imported. A thread of Ray Data that still asks for something when the job has ended, by an error for
# instance, would else start or join a Ray that nobody leaves, and the process would die with that one.
os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
