//! A Messages API that answers by script: the offline demo, and what tests put behind the real CLI.
