"""The embedded `imagenet-lite`: its names and kinds from WordNet, its calibration, its folder and its figures."""
