# What each unit of z does to an image, in order of rate, with the rate beside it.
# At beta 0.1 eight units carry two nats each and change place, size and shape at once; at 4 four of them do, the rest nothing.
# At 1000 no unit does anything: every row is the mean image.
python -m analysis traversals runs/gallery_sprites -o figures/gallery/traversals.png
