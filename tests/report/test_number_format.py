"""How numbers are written."""

from explainfb.report.number_format import duration, percent, signed


def test_numbers_are_written_for_readers() -> None:
    assert percent(0.4163) == "41.6\N{NO-BREAK SPACE}%"
    assert [signed(value, digits=1) for value in (0.25, -0.26, -0.04)] == ["+0.2", "−0.3", "0.0"]
    assert [duration(value).replace("\N{NO-BREAK SPACE}", " ") for value in (3.21, 96.2, 3725)] == [
        "3.2 s", "1 min 36 s", "1 h 2 min 5 s",
    ]  # fmt: skip
