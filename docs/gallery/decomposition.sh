# R as I and the divergence of the aggregate posterior from the prior, and I against H - D.
python -m analysis decomposition runs/gallery_digits -o figures/gallery/decomposition.png
