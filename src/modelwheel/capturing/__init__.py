"""What a model needs beside itself: distributions and source."""
