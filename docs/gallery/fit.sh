# The path of each run in the plane across training, on train and validation.
# All runs start at no rate and D 25. Those of small beta first buy rate, more than they end with, and give some back.
# At beta 1 and 2 they were still falling when training ended.
python -m analysis fit runs/gallery_digits --select "posterior == 'diagonal'" -o figures/gallery/fit.png
