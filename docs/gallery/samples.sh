# What each run draws from its prior.
python -m analysis samples runs/gallery_sprites -o figures/gallery/samples.png
