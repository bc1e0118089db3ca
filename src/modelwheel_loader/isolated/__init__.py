"""The isolated runtime: a model in processes of its own, with an interpreter and packages of their own."""
