# Where digits lie in z: a plain autoencoder beside a VAE of beta 1.
# The autoencoder spreads its codes over some twenty units of length, as nothing holds them; the VAE's fill its prior.
# In both, digits of one kind lie together, and no unit has one digit alone.
python -m analysis latents runs/gallery_digits --select "prior == 'normal' and seed == 0 and beta in [0, 1]" -o figures/gallery/latents.png
