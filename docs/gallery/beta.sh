# D, R, I and active units against beta.
# D rises and R falls with beta; I stays at H up to beta 0.3 and is nearly R from 2 on. What R has more tells nothing of x.
# All 16 units are active until beta 1, one or none at 5, where a linear VAE is forecast to collapse.
python -m analysis beta runs/gallery_digits --select "prior == 'normal' and posterior == 'diagonal'" -o figures/gallery/beta.png
