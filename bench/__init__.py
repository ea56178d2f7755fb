"""How fast decisions are, on fleets and deployments made from a fixed seed."""
