# What a linear classifier tells of the digit from z, against the rate that z costs.
python -m analysis information runs/gallery_digits --select "prior == 'normal'" -o figures/gallery/information.png
