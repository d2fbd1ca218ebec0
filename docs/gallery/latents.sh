# Where digits lie in z: a plain autoencoder beside a VAE of beta 1.
python -m analysis latents runs/gallery_digits --select "prior == 'normal' and seed == 0 and beta in [0, 1]" -o figures/gallery/latents.png
