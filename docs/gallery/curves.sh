# Training and validation epoch by epoch.
python -m analysis curves runs/gallery_sprites -o figures/gallery/curves.png
