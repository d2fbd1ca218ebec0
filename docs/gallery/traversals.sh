# What each unit of z does to an image, in order of rate, with the rate beside it.
python -m analysis traversals runs/gallery_sprites -o figures/gallery/traversals.png
