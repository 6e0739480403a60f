"""How often masks are right: measured on photos with masks, fitted on one half of them, checked on the other."""
