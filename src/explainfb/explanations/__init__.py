"""LIME in closed form: superpixels, masks, perturbation, the ridge regression, metrics, pictures, files."""
