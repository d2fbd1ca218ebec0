# The same examples as each run reconstructs them.
python -m analysis reconstructions runs/gallery_digits --select "prior == 'normal' and seed == 0" -o figures/gallery/reconstructions.png
