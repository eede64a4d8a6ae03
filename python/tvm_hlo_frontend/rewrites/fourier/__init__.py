"""Parts of the rewrite of fft."""
