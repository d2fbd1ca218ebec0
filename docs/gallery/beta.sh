# D, R, I and active units against beta.
python -m analysis beta runs/gallery_digits --select "prior == 'normal' and posterior == 'diagonal'" -o figures/gallery/beta.png
