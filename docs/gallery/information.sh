# What a linear classifier tells of the digit from z, against the rate that z costs.
# A draw of z tells the digit no better than its rate allows, and far less: half of the digits at R 2.5 nats.
# The mean of z tells nearly as much at every rate as the pixels do, so that it is no measure of what R bought.
python -m analysis information runs/gallery_digits --select "prior == 'normal' and seed == 0" -o figures/gallery/information.png
