"""A visit by way of the web server that stands before the app where a study is hosted."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app_visitors import NewVisitor
from explainfb.core.types import Answer
from explainfb.testing.app_server import App

CADDYFILE = Path(__file__).parents[2] / "hosting" / "Caddyfile"


@contextmanager
def caddy_before(app: App, folder: Path) -> Iterator[tuple[str, Path]]:
    """Caddy as `hosting/Caddyfile` has it, but without HTTPS, for which it would need a name; its address and log."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    config, log = folder / "Caddyfile", folder / "caddy.log"
    config.write_text("{\n\tadmin off\n}\n" + CADDYFILE.read_text().replace("app:8501", f"127.0.0.1:{app.port}"))
    environment = os.environ | {"SITE": address, "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with log.open("wb") as output:
        command = ["caddy", "run", "--config", str(config), "--adapter", "caddyfile"]
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        try:
            yield address, log
        finally:
            process.terminate()
            process.wait()


@pytest.mark.skipif(shutil.which("caddy") is None, reason="there is no Caddy here")
def test_a_visit_through_caddy_leaves_no_trace_there(new_visitor: NewVisitor, app: App, tmp_path: Path) -> None:
    link = app.invite("Ada", practised=True)
    with caddy_before(app, tmp_path) as (address, log):
        visitor = new_visitor()
        visitor.visit(link.replace(app.base, address), "progress")
        visitor.press("1")
        visitor.wait_for_done(1)
        said = log.read_text()
    with app.store as store:
        assert [(each.annotator, each.answer) for each in store.answers()] == [("Ada", Answer.LEFT)]
    assert link.split("#")[1] not in said
    assert "_stcore" not in said, "visits are written down"
