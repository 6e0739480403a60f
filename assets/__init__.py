"""Pictures of the explorer and of the method: how they are made, and the example photos."""
