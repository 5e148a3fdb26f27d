"""The loop of rounds inside a task: train, measure, let the controller decide, keep or roll back."""
