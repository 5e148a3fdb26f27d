"""Names that no family of scores can have."""

__all__ = ["RESERVED"]

RESERVED = frozenset(
    {
        "accuracy_before",
        "accuracy_matrix",
        "average_accuracy",
        "average_incremental_accuracy",
        "backward_transfer",
        "calibration_error",
        "chosen_by",
        "class_order",
        "classes",
        "confusion_matrix",
        "data",
        "forgetting",
        "forward_transfer",
        "generalisation_gap",
        "kept_round",
        "learning_accuracy",
        "name",
        "per_task",
        "phases",
        "readings",
        "references",
        "rounds",
        "run_id",
        "scenario",
        "seconds",
        "seed",
        "status",
        "strategy",
        "stream",
        "task",
        "test_accuracy",
        "test_loss",
        "train_accuracy",
        "validation_accuracy",
    }
)
"""What something else is called in the results, or in the record of a task."""
