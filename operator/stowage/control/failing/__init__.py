"""What has failed: our own pods, what autoscalers say of them, and the backoffs that follow."""
