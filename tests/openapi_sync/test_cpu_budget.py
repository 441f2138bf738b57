from app.openapi_sync import cpu_budget
from app.openapi_sync.cpu_budget import CpuBudget


class Clocks:
    """On the wall and of the thread, set by hand."""

    def __init__(self) -> None:
        self.wall = self.thread = 0.0
        self.asked = 0

    def perf_counter(self) -> float:
        return self.wall

    def thread_time(self) -> float:
        self.asked += 1
        return self.thread


class TestCpuBudget:
    def test_is_spent_by_the_thread_and_not_by_waiting(self, monkeypatch):
        monkeypatch.setattr(cpu_budget, "time", clocks := Clocks())
        budget = CpuBudget(2)
        clocks.wall, clocks.thread = 5, 1.5
        assert not budget.is_spent()
        clocks.wall, clocks.thread = 6, 2.1
        assert budget.is_spent()

    def test_does_not_ask_before_it_can_be_spent(self, monkeypatch):
        monkeypatch.setattr(cpu_budget, "time", clocks := Clocks())
        budget = CpuBudget(2)
        clocks.wall = 1.9
        assert not budget.is_spent()
        assert clocks.asked == 1
