# R as I and the divergence of the aggregate posterior from the prior, and I against H - D.
# Below beta 1 most of R is the divergence of q(z) from the prior, a little less of it under the mixture; I is at H.
# I is above H - D by nats: z tells of x far more than the decoder makes use of, least so at the smallest beta.
python -m analysis decomposition runs/gallery_digits --select "posterior == 'diagonal'" -o figures/gallery/decomposition.png
