"""What a set of samples is worth: judged by probes that train on it, against random sets of growing size."""
