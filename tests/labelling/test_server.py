"""Serving the app: where it lies, where browsers find it, and what its process is told."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import explainfb
from explainfb.core.errors import InputError
from explainfb.labelling import server as serving
from explainfb.labelling.server import (
    DATA_DIR,
    DATABASE,
    STUDY,
    address,
    app_script,
    check_address,
    link,
    serve,
    server_script,
)

CHECKOUT = Path(__file__).parents[2]
SECRET = "postgresql://ann:pass%40word@db.example.org/study"


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package without an app, as if explainfb were there."""
    package = folder / "src" / "explainfb"
    package.mkdir(parents=True)
    monkeypatch.setattr(explainfb, "__file__", str(package / "__init__.py"))
    return package


def add_app(folder: Path) -> Path:
    script = folder / "apps" / "label.py"
    script.parent.mkdir(parents=True)
    script.touch()
    return script


def test_the_app_of_this_checkout_is_found() -> None:
    assert app_script() == CHECKOUT / "apps" / "label.py"
    assert "streamlit" in app_script().read_text()


def test_in_a_wheel_the_app_lies_inside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = install(tmp_path, monkeypatch)
    beside = add_app(tmp_path)
    assert app_script() == beside
    inside = add_app(package)
    assert app_script() == inside


def test_an_app_that_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = install(tmp_path, monkeypatch)
    with pytest.raises(InputError, match=r"no apps/label\.py") as told:
        app_script()
    assert str(package) in str(told.value)


@pytest.mark.parametrize(
    ("host", "port", "found"),
    [
        ("127.0.0.1", 8501, "http://127.0.0.1:8501"),
        ("192.168.7.1", 80, "http://192.168.7.1:80"),
        ("0.0.0.0", 8502, "http://127.0.0.1:8502"),
        ("::", 8501, "http://127.0.0.1:8501"),
        ("::1", 8501, "http://[::1]:8501"),
        ("2001:db8::7", 9000, "http://[2001:db8::7]:9000"),
        ("lab.example.org", 8501, "http://lab.example.org:8501"),
    ],
)
def test_browsers_find_the_app(host: str, port: int, found: str) -> None:
    assert address(host, port) == found


@pytest.mark.parametrize(
    ("base", "whole"),
    [
        ("http://127.0.0.1:8501", "http://127.0.0.1:8501/enter#t-o_k"),
        ("http://[::1]:8501", "http://[::1]:8501/enter#t-o_k"),
        ("https://study.example.org/", "https://study.example.org/enter#t-o_k"),
        ("https://example.org/study/", "https://example.org/study/enter#t-o_k"),
    ],
)
def test_a_link_opens_the_app_wherever_it_is(base: str, whole: str) -> None:
    assert link(base, "t-o_k") == whole


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of this machine on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_a_port_that_is_taken_is_refused(taken: int, host: str) -> None:
    with pytest.raises(InputError, match=rf"Cannot listen on {host} port {taken} \(.+\); give another --port"):
        check_address(host, taken)


def test_a_port_that_is_free_again_is_not_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), server.accept()[0]:
            pass
    check_address("127.0.0.1", port)
    check_address("127.0.0.1", port)


def test_a_port_of_the_newer_protocol_is_looked_at_as_well() -> None:
    server = None
    with suppress(OSError):
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    if server is None:
        pytest.skip("this machine has no IPv6")
    with server:
        port = server.getsockname()[1]
        with pytest.raises(InputError, match="Cannot listen on ::1"):
            check_address("::1", port)
    check_address("::1", port)


@pytest.mark.parametrize(
    ("host", "port"), [("127.0.0.1", 70_000), ("127.0.0.1", -1), ("127.0.0.1", 0), ("192.0.2.1", 8501), ("", 8501)]
)
def test_an_address_that_cannot_be_is_refused(host: str, port: int) -> None:
    with pytest.raises(InputError, match=f"{host}.*{port}"):
        check_address(host, port)


def test_a_url_that_no_browser_opens_is_refused() -> None:
    with pytest.raises(InputError, match=r"https://.*'study\.example\.org'"):
        check_address("127.0.0.1", 8501, "study.example.org")


class Became(Exception):  # noqa: N818
    """What the process became in place of going on."""


def served(monkeypatch: pytest.MonkeyPatch, **given: object) -> tuple[str, list[str], dict[str, str]]:
    """The program, its command line and its environment, that `serve` becomes."""

    def become(path: str, arguments: list[str], environment: dict[str, str]) -> None:
        raise Became(path, arguments, environment)

    monkeypatch.setattr(serving.os, "execve", become)
    usual = {"database": None, "data_dir": None, "host": "127.0.0.1", "port": 8501}
    with pytest.raises(Became) as became:
        serve(Path("study"), **(usual | given))  # type: ignore[arg-type]
    return became.value.args  # type: ignore[return-value]


def test_the_databases_password_is_in_the_environment_and_in_no_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    _, arguments, environment = served(monkeypatch, database=SECRET)
    assert environment[DATABASE] == SECRET
    assert not any("pass" in argument or "postgresql" in argument for argument in arguments)


def test_the_app_is_told_what_to_serve_and_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH_OF_SOMEONE", "kept")
    program, arguments, environment = served(monkeypatch, host="0.0.0.0", port=9000, data_dir=Path("pictures"))
    assert program == arguments[0] == sys.executable
    assert arguments[1:5] == ["-m", "streamlit", "run", str(server_script())]
    assert "--server.address=0.0.0.0" in arguments
    assert "--server.port=9000" in arguments
    assert environment[STUDY] == str(tmp_path / "study")
    assert environment[DATA_DIR] == str(tmp_path / "pictures")
    assert environment["PATH_OF_SOMEONE"] == "kept"
    assert environment["PATH"] == os.environ["PATH"]


def test_what_is_not_given_is_not_taken_from_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATABASE, SECRET)
    monkeypatch.setenv(DATA_DIR, "elsewhere")
    _, _, environment = served(monkeypatch)
    assert (environment[DATABASE], environment[DATA_DIR]) == ("", "")


def test_the_server_opens_no_browser_and_tells_nobody_what_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    _, arguments, _ = served(monkeypatch)
    for option in (
        "--server.headless=true",
        "--browser.gatherUsageStats=false",
        "--client.showErrorDetails=none",
        "--client.toolbarMode=minimal",
    ):
        assert option in arguments
