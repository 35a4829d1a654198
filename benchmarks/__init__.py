"""What the figures of the README come from: accuracy and speed, beside other libraries."""
