"""Teaching: new classes from a few photos with image-level labels, as a head on a frozen backbone."""
