"""Very many photos, on Ray Data: from and to folders and object stores, in shards that are each finished once."""
