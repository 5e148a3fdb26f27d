"""Families of scores beyond the accuracy matrix: each measured after every task, each switched by one key."""
