"""The conformance kit: what our own tests demand of every component, for plugin authors.

Each check takes a component and raises ``AssertionError`` with a sentence that says what is wrong. They need no test
framework; in pytest a test is one line::

    from lifelong_kd.testing import check_strategy

    def test_my_method():
        check_strategy(my_method, scenario="class")
"""

from lifelong_kd.testing.correction import check_correction
from lifelong_kd.testing.encoder import check_encoder
from lifelong_kd.testing.family import check_family
from lifelong_kd.testing.generator import check_generator
from lifelong_kd.testing.knowledge import check_knowledge
from lifelong_kd.testing.memory import check_memory
from lifelong_kd.testing.model import check_model
from lifelong_kd.testing.phase import check_phase
from lifelong_kd.testing.pool import check_pool
from lifelong_kd.testing.rounds import check_controller
from lifelong_kd.testing.schedule import check_schedule
from lifelong_kd.testing.strategy import check_strategy
from lifelong_kd.testing.stream import check_stream
from lifelong_kd.testing.teacher import check_teacher
from lifelong_kd.testing.tracker import check_tracker

__all__ = [
    "check_controller",
    "check_correction",
    "check_encoder",
    "check_family",
    "check_generator",
    "check_knowledge",
    "check_memory",
    "check_model",
    "check_phase",
    "check_pool",
    "check_schedule",
    "check_strategy",
    "check_stream",
    "check_teacher",
    "check_tracker",
]
