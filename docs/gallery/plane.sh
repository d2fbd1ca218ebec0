# The rate-distortion plane of a source of known entropy, and the bounds on what z tells of x.
python -m analysis plane runs/gallery_sprites -o figures/gallery/plane.png
