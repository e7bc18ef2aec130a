"""Put a release where readers find it: plan, journal, upload, one last commit."""
