"""Image-level labels as people have them: a folder a class, tables, and what other tools export.

`wsis.labels.read.read` finds out which of these it was given. Masks and boxes that labels bring are never looked at.
"""
