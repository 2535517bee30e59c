"""Every kind of learner."""
