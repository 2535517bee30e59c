"""Parts for surfalign from another package: an engine, a launcher, a learner."""
