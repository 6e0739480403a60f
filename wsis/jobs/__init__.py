"""What the command line works through: photos to folders of results, here or on a cluster."""
