# The rate-distortion plane of a source of known entropy, and the bounds on what z tells of x.
# From beta 1000 down D falls from 63 to 3 nats and R rises from 0 to 35; no run comes near D + R = H.
# I (small dots) reaches H at beta 0.1: z then says which image it is, and 27 of its 35 nats are not about x.
python -m analysis plane runs/gallery_sprites -o figures/gallery/plane.png
