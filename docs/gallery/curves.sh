# Training and validation epoch by epoch.
# Validation follows training: nothing overfits, and by epoch 15 D and R have settled.
# The ELBO is best at beta 1, worst at 1000, where R is 0, and never near -H: the source could be coded in 8.18 nats.
python -m analysis curves runs/gallery_sprites -o figures/gallery/curves.png
