"""What is expensive or outside: models, video, storage. One module a resource."""
