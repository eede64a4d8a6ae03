"""Models whose batch, length or image size is unknown, at several sizes each, against their frameworks."""
