"""The filters of ``Api.runs``: the part of MongoDB's language that W&B documents."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.standin.state import WHEN, Run

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda value, asked: value == asked,
    "$ne": lambda value, asked: value != asked,
    "$in": lambda value, asked: bool(set(value) & set(asked)) if isinstance(value, list) else value in asked,
    "$nin": lambda value, asked: value not in asked,
    "$gt": lambda value, asked: value is not None and value > asked,
    "$gte": lambda value, asked: value is not None and value >= asked,
    "$lt": lambda value, asked: value is not None and value < asked,
    "$lte": lambda value, asked: value is not None and value <= asked,
    "$exists": lambda value, asked: (value is not None) == asked,
    "$regex": lambda value, asked: re.search(asked, str(value)) is not None,
}


def fits(run: Run, filters: Mapping[str, Any]) -> bool:
    """Whether the run is one of those asked for; an operator that is not here is a KeyError."""
    for key, asked in filters.items():
        if key == "$and":
            good = all(fits(run, one) for one in asked)
        elif key == "$or":
            good = any(fits(run, one) for one in asked)
        else:
            value = look_up(run, key)
            conditions = asked if isinstance(asked, dict) else {"$eq": asked}
            if isinstance(value, list) and "$eq" in conditions:
                conditions = {"$in": [conditions["$eq"]]}
            good = all(COMPARE[operator](value, wanted) for operator, wanted in conditions.items())
        if not good:
            return False
    return True


def look_up(run: Run, key: str) -> Any:
    """A field of the run, or ``config.a.b`` / ``summary_metrics.a`` within it."""
    first, _, rest = key.partition(".")
    if first in ("config", "summary_metrics", "summaryMetrics"):
        found: Any = run.config if first == "config" else run.summary
        if rest in found:
            return found[rest]
        for part in rest.removesuffix(".value").split("."):
            found = found.get(part) if isinstance(found, dict) else None
        return found
    plain: dict[str, Any] = {
        "name": run.name,
        "display_name": run.display_name,
        "displayName": run.display_name,
        "group": run.group,
        "jobType": run.job_type,
        "job_type": run.job_type,
        "state": run.state,
        "tags": run.tags,
        "sweep": run.fields.get("sweep"),
        "created_at": WHEN,
        "createdAt": WHEN,
    }
    return plain[key]
