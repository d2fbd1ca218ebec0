# D and R of runs that follow each other along beta, down and up, and how far the two ways differ.
# From beta 14 to 21 the way up still has a code, at a lower D + beta R, where the way down has hardly any.
# From 24 on, it pays for the rest of a code that is no longer worth its rate.
python -m analysis hysteresis runs/gallery_ways -o figures/gallery/hysteresis.png
