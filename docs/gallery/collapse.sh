# The rate of each unit against beta, and which units collapse.
# Units lose their rate one after another as beta rises: all 16 carry some at 0.1, four at 4, two at 10, none at 30.
# The forecast lies between 10 and 30, where the verdicts turn to collapsed and D no longer minds which z it is given.
python -m analysis collapse runs/gallery_sprites -o figures/gallery/collapse.png
