"""LIME in closed form: superpixels, masks, perturbation, the ridge regression, pictures, files."""
