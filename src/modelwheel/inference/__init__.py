"""The parts of `infer`: columns by their values, tables by their library, samples by their kind, answers of methods."""
