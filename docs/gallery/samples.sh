# What each run draws from its prior.
# Draws from the prior at small beta are fragments that no sprite looks like; at 4 and 10 they are blobs in place.
# At 30 and 1000 every draw is the mean image.
python -m analysis samples runs/gallery_sprites -o figures/gallery/samples.png
