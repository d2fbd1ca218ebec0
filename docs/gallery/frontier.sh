# The fronts of two priors over two seeds, and how far they lie from each other.
python -m analysis frontier runs/gallery_digits --select "posterior == 'diagonal'" --group_by prior -o figures/gallery/frontier.png
