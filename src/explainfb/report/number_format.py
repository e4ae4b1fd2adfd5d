"""Numbers as a reader sees them: a real minus sign, no line break before a unit."""

NO_BREAK = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"


def percent(fraction: float) -> str:
    """`0.4163` → `41.6 %`."""
    return f"{100 * fraction:.1f}{NO_BREAK}%"


def signed(value: float, *, digits: int) -> str:
    """`-0.25` → `−0.2`, `0.25` → `+0.2`; what rounds to zero carries no sign."""
    rounded = round(value, digits)
    if rounded == 0:
        return f"{0:.{digits}f}"
    return f"{'+' if rounded > 0 else MINUS}{abs(rounded):.{digits}f}"


def plain(value: float, *, digits: int) -> str:
    """`-0.25` → `−0.2`, without a plus."""
    return signed(value, digits=digits).removeprefix("+")


def duration(seconds: float) -> str:
    """`96.2` → `1 min 36 s`."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{seconds:.1f}{NO_BREAK}s"
    hours, minutes = divmod(minutes, 60)
    short = f"{minutes}{NO_BREAK}min {rest}{NO_BREAK}s"
    return f"{hours}{NO_BREAK}h {short}" if hours else short
