# The same examples as each run reconstructs them.
# Up to beta 0.3 each digit comes back; at 1 and 2 its strokes are smeared; at 5 all are the same mean image.
# The autoencoder alone has no rate to put beside its D.
python -m analysis reconstructions runs/gallery_digits --select "prior == 'normal' and seed == 0" -o figures/gallery/reconstructions.png
