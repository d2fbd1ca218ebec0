# The rate of each unit against beta, and which units collapse.
python -m analysis collapse runs/gallery_sprites -o figures/gallery/collapse.png
