"""From the arguments of `fit` to a trained network: the steps of the classifier."""
