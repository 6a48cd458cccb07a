"""The systems under measure, one file each: `systems(ground)` in catalogue.py names them."""
