"""A small local development server with the REST and gRPC API of TensorFlow Serving.

It is for trying exported models and the clients that will talk to them; TensorFlow Serving is for production.
"""

from kpt.serving.server import ModelServer

__all__ = ["ModelServer"]
