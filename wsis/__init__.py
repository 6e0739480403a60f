"""Instances from image-level labels: peak response maps, instance-aware propagation, proposal matching."""
