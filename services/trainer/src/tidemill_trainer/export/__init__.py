"""The SavedModel of a trained model: everything that TensorFlow Serving needs, and nothing that it lacks."""
