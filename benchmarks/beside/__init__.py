"""Side by side with Prometheus, VictoriaMetrics and vmagent: every figure that has a goal, in one run."""
