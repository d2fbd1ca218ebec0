# The fronts of two priors over two seeds, and how far they lie from each other.
# The mixture's front lies below and left of the normal prior's, most where R is large.
# At equal D the normal prior costs 0.79 nats more; two seeds are few, and the interval takes them as they are.
python -m analysis frontier runs/gallery_digits --select "posterior == 'diagonal'" --group_by prior -o figures/gallery/frontier.png
