"""The findings as a table on the terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from explainfb.doctor.setup import Finding

SIGNS = {True: "[green]✓[/]", False: "[bold red]✗[/]", None: "[yellow]–[/]"}


def print_findings(console: Console, findings: Sequence[Finding]) -> None:
    """Print what each check expected and saw, and below the table what to do about those that failed."""
    table = Table(show_lines=True)
    table.add_column("", width=1)
    table.add_column("check", ratio=2)
    table.add_column("expected", ratio=4)
    table.add_column("seen", ratio=4, overflow="fold")
    for finding in findings:
        table.add_row(SIGNS[finding.passed], *map(escape, (finding.name, finding.expected, finding.seen)))
    console.print(table)
    for finding in findings:
        if finding.picture is not None:
            console.print(f"{finding.name}: {finding.picture}", soft_wrap=True, markup=False, highlight=False)
    failed = [finding for finding in findings if finding.passed is False]
    for finding in failed:
        console.print(f"{SIGNS[False]} [bold]{escape(finding.name)}[/]: {escape(finding.advice)}")
    console.print(_summary(findings, len(failed)))


def _summary(findings: Sequence[Finding], failed: int) -> str:
    unknown = sum(finding.passed is None for finding in findings)
    passed = f"{len(findings) - failed - unknown} of {len(findings)} checks passed"
    not_judged = f", {unknown} not judged" if unknown else ""
    return passed + (f", {failed} failed" if failed else "") + not_judged + "."
