# Everything in one page that a browser opens from a file: hover, select, filter, sort.
python -m analysis report runs/gallery_digits runs/gallery_sprites -o figures/gallery/report.html
