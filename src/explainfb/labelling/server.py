"""Serving the annotators' app with Streamlit, from a checkout or from an installed wheel."""

import hashlib
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

import explainfb
from explainfb.core.errors import InputError

if TYPE_CHECKING:
    from explainfb.store import Store

STUDY, DATABASE, DATA_DIR = "EXPLAINFB_STUDY", "EXPLAINFB_DB", "EXPLAINFB_DATA_DIR"
"""The environment variables by which the app learns what to serve; a database's password is in no command line."""
LOCALHOST = "127.0.0.1"
THIS_MACHINE = {LOCALHOST, "::1", "localhost"}
PORT = 8501
COOKIE = "explainfb_link"
"""How the cookie's name begins in which a browser keeps the token of its personal link."""
COOKIE_SECONDS = 30 * 24 * 60 * 60
"""For how long; a visitor whom nothing else tells comes back as the same person until then."""
RESEARCHER = "researcher"
"""Who the first link to the researchers' page is for."""
ENTER = "enter"
"""The page that personal links lead to."""
ADDRESS = "address of the app"
"""The setting under which a study's database remembers where its app was served last."""
OPTIONS = {
    "server.headless": "true",  # opens no browser on the server
    "server.fileWatcherType": "none",  # the app's own code does not change while it is served
    "server.enableStaticServing": "false",
    "browser.gatherUsageStats": "false",  # nothing about annotators goes elsewhere
    "server.maxUploadSize": "1",  # in megabytes; apps/serve.py refuses uploads before that is asked
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",  # errors quote paths and names
    "runner.magicEnabled": "false",  # shows no value that merely stands in a line of its own
    "logger.level": "warning",
}


def app_script() -> Path:
    """The app's first file. In a wheel the folder `apps` lies inside the package, in a checkout beside `src`."""
    package = Path(explainfb.__file__).parent
    for folder in (package, package.parents[1]):
        script = folder / "apps" / "label.py"
        if script.is_file():
            return script
    raise InputError(f"The app is missing: no apps/label.py beside {package}; install explainfb again.")


def server_script() -> Path:
    """What serves the app, beside its first file."""
    return app_script().with_name("serve.py")


def cookie_of(store: "Store") -> str:
    """The cookie's name, of the study's own: a host's cookies are sent to all of its ports, on each maybe a study."""
    from explainfb.study import folder  # with PyTorch, which the command line starts without

    identity = store.read_setting(folder.STUDY) or ""
    return f"{COOKIE}_{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def address(host: str, port: int) -> str:
    """Where a browser on this machine, or for another host one that can reach it, finds the app."""
    shown = LOCALHOST if host in ("0.0.0.0", "::") else host
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def link(base: str, token: str) -> str:
    """The personal link that opens the app for whoever holds it."""
    return f"{base.rstrip('/')}/{ENTER}#{token}"


def check_address(host: str, port: int, url: str | None = None) -> None:
    """Raise `InputError` for an address that cannot be listened on, or a URL that no browser can open."""
    if url is not None and not url.startswith(("http://", "https://")):
        raise InputError(f"--url is what browsers open, such as https://study.example.org; found {url!r}.")
    if not host or not 0 < port < 2**16:
        raise InputError(f"--host is an address and --port a number from 1 to 65535; found {host!r} and {port}.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # as the server does: a port on which connections have just ended is free
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, TypeError, UnicodeError) as error:  # a name that is none is a TypeError to Python
            why = getattr(error, "strerror", None) or "that is no address"
            raise InputError(f"Cannot listen on {host} port {port} ({why}); give another --port.") from error


def serve(
    study: Path, *, database: str | None, data_dir: Path | None, host: str, port: int, url: str | None = None
) -> NoReturn:
    """Become the server of the study's app, until it is stopped."""
    variables = {
        STUDY: str(study.resolve()),
        DATABASE: database or "",
        DATA_DIR: str(data_dir.resolve()) if data_dir else "",
    }
    options = OPTIONS | {"server.address": host, "server.port": str(port)}
    if url is not None:
        # Streamlit refuses the websocket of a page under an address that it does not know
        options["browser.serverAddress"] = urlsplit(url).hostname or host
    arguments = [f"--{name}={value}" for name, value in options.items()]
    # in place of this process, so that Ctrl+C and a supervisor's signals reach the server itself
    command = [sys.executable, "-m", "streamlit", "run", str(server_script()), *arguments]
    os.execve(sys.executable, command, os.environ | variables)
