# The path of each run in the plane across training, on train and validation.
python -m analysis fit runs/gallery_digits -o figures/gallery/fit.png
