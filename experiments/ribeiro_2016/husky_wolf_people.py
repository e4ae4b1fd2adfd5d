"""The study of section 6.4 for people, and what their answers say.

    python -m experiments.ribeiro_2016.husky_wolf_people --answers ANSWERS

`husky_wolf` writes study/index.html: one page with everything in it, which a lab opens on its own computers, as a
file or from any web server. It asks the same questions about ten predictions twice, without and then with their
explanations, and gives each participant's answers as a file, NAME.json. Put these files into one folder and name it by
--answers. What is counted is who trusts the classifier, and who names snow, or what is behind the animal, as what it
goes by. The words that count are looked for in the answers; answers.csv in --out has the answers and that judgement,
and after two people have corrected it there, --judged answers.csv counts anew.
"""

import base64
import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import tyro
from scipy.stats import binomtest

from experiments.kept import Line
from explainfb import Explanation
from explainfb.core.errors import InputError
from explainfb.core.seeding import numpy_generator
from explainfb.explanations.figures import save_figure
from explainfb.explanations.plots import picture

SNOW = ("snow", "background", "behind", "ground", "white", "grass", "lawn", "scene", "surrounding", "environment")
WORDS = {
    "title": "Huskies and wolves",
    "consent": (
        "A computer program tells photographs of wolves from photographs of huskies. You will see ten photographs that "
        "it has never seen before and what it says of each, and answer three questions, twice. This takes about ten "
        "minutes. Your answers are kept in a file that you save at the end and give to whoever invited you; nothing is "
        "sent anywhere. You may stop at any time by closing the page."
    ),
    "agree": "I agree, go on",
    "code": "The name or number that you were given",
    "before": "What the program says of ten photographs",
    "after": "The same ten photographs, and why the program says so",
    "how": "On the right only those parts of the photograph are shown that spoke most for or against what it says.",
    "trust": "Do you trust this program to work well in the real world?",
    "yes": "Yes",
    "no": "No",
    "why": "Why?",
    "features": "How do you think the program tells these wolves and huskies apart?",
    "next": "Go on",
    "save": "Save my answers",
    "thanks": "Thank you. Save your answers and give the file to whoever invited you.",
    "says": "it says: {said}",
    "truth": "it is a {truth}",
}
"""All that participants read."""
QUESTIONS = ("trust", "why", "features")


@dataclass(frozen=True, eq=False)
class Shown:
    """One of the ten predictions."""

    explanation: Explanation
    truth: str


def write_study(shown: Sequence[Shown], folder: Path) -> None:
    """index.html in `folder`, with its pictures inside."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(study_page(shown), encoding="utf-8")


def study_page(shown: Sequence[Shown]) -> str:
    """The four screens of the study: consent, ten predictions, the same explained, and the file to save."""
    words = {name: escape(text) for name, text in WORDS.items()}
    before = "".join(_figure(each, explained=False) for each in shown)
    after = "".join(_figure(each, explained=True) for each in shown)
    consent = f'<p>{words["consent"]}</p><label>{words["code"]} <input name="code" required></label>'
    screens = [
        _screen(consent, words["agree"]),
        _screen(f"<h2>{words['before']}</h2><div class=ten>{before}</div>{_questions('before')}", words["next"]),
        _screen(
            f"<h2>{words['after']}</h2><p>{words['how']}</p><div class=ten>{after}</div>{_questions('after')}",
            words["next"],
        ),
        _screen(f"<p>{words['thanks']}</p>", words["save"]),
    ]
    return (
        f'<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">'
        f"<title>{words['title']}</title><style>{STYLE}</style><h1>{words['title']}</h1>"
        f"{''.join(screens)}<script>{SCRIPT}</script></html>\n"
    )


def _screen(inside: str, button: str) -> str:
    return f"<form hidden>{inside}<p><button>{button}</button></p></form>"


def _figure(each: Shown, *, explained: bool) -> str:
    explanation = each.explanation
    assert explanation.image is not None
    said = explanation.name.removeprefix("class ")
    caption = f"{WORDS['says'].format(said=said)}; {WORDS['truth'].format(truth=each.truth)}"
    if explained:
        drawn = io.BytesIO()
        save_figure(explanation.image, explanation, drawn, top=5)
        source = f"data:image/png;base64,{base64.b64encode(drawn.getvalue()).decode()}"
    else:
        source = picture(np.asarray(explanation.image, dtype=np.float64))
    return (
        f'<figure><img alt="a {escape(each.truth)}" src="{source}"><figcaption>{escape(caption)}</figcaption></figure>'
    )


def _questions(when: str) -> str:
    words = {name: escape(text) for name, text in WORDS.items()}
    choices = "".join(
        f'<label><input type=radio name="{when}.trust" value="{value}" required> {words[value]}</label> '
        for value in ("yes", "no")
    )
    texts = "".join(
        f'<label class=text>{words[name]}<textarea name="{when}.{name}" required></textarea></label>'
        for name in ("why", "features")
    )
    return f"<fieldset><legend>{words['trust']}</legend>{choices}</fieldset>{texts}"


STYLE = """
body { font: 1.05rem/1.5 sans-serif; max-width: 70rem; margin: 1rem auto; padding: 0 1rem; color-scheme: light dark }
.ten { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: 1rem }
figure { margin: 0 } img { width: 100% } .text { display: block; margin: 1rem 0 }
textarea { display: block; width: 100%; min-height: 4rem; font: inherit } button { font: inherit; padding: .5rem 1rem }
"""
SCRIPT = """
const forms = [...document.forms], given = {format: 1, began: new Date().toISOString()};
const show = index => { forms.forEach((form, at) => form.hidden = at !== index); scrollTo(0, 0); };
forms.forEach((form, index) => form.onsubmit = event => {
  event.preventDefault();
  for (const [name, value] of new FormData(form)) given[name] = value;
  if (index < forms.length - 1) { show(index + 1); return; }
  given.ended = new Date().toISOString();
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([JSON.stringify(given, null, 1)], {type: 'application/json'}));
  link.download = `${given.code.replace(/[^\\w-]/g, '_') || 'answers'}.json`;
  link.click();
});
show(0);
"""


def read_answers(folder: Path) -> list[dict[str, str]]:
    """One participant a file; told where a file is none of these."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            given = json.loads(path.read_text(encoding="utf-8"))
            wanted = ["code", *(f"{when}.{name}" for when in ("before", "after") for name in QUESTIONS)]
            missing = [name for name in wanted if not isinstance(given.get(name), str)]
        except (ValueError, AttributeError) as error:
            raise InputError(f"{path} is no file of answers ({error}); expected what the page saved.") from error
        if missing or {given["before.trust"], given["after.trust"]} - {"yes", "no"}:
            raise InputError(f"{path} lacks {', '.join(missing) or 'yes or no'}; expected what the page saved.")
        found.append({name: given[name] for name in wanted})
    if not found:
        raise InputError(f"{folder} has no answers; put the .json files that participants saved into it.")
    return found


def names_snow(text: str) -> bool:
    """Whether an answer names snow or what is behind the animal."""
    return any(word in text.lower() for word in SNOW)


def counted(judged: Sequence[dict[str, str]]) -> Line:
    """How many trust the classifier and how many name snow, before and after, each with McNemar's exact test."""
    found: Line = {"people": len(judged)}
    for name in ("trust", "snow"):
        pairs = [(row[f"before.{name}"] == "yes", row[f"after.{name}"] == "yes") for row in judged]
        gained = sum(after and not before for before, after in pairs)
        lost = sum(before and not after for before, after in pairs)
        p = float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
        found[name] = {"before": sum(a for a, _ in pairs), "after": sum(b for _, b in pairs), "p": round(p, 4)}
    return found


def with_snow(answers: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """The answers, with whether each names snow before and after."""
    return [
        row
        | {
            f"{when}.snow": "yes" if names_snow(row[f"{when}.features"] + " " + row[f"{when}.why"]) else "no"
            for when in ("before", "after")
        }
        for row in answers
    ]


def simulated(people: int, seed: int) -> list[dict[str, str]]:
    """Answers drawn at the paper's rates, to try the page's export and this script; they say nothing of people."""
    rng, found = numpy_generator(seed, "simulated people"), []
    rates = {"before": (10 / 27, 12 / 27), "after": (3 / 27, 25 / 27)}
    for person in range(people):
        row = {"code": f"simulated {person}"}
        for when, (trust, snow) in rates.items():
            row[f"{when}.trust"] = "yes" if rng.random() < trust else "no"
            row[f"{when}.why"] = "simulated"
            row[f"{when}.features"] = "there is snow in these" if rng.random() < snow else "by its eyes and ears"
        found.append(row)
    return found


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where the answers are."""

    answers: Path | None = None
    """The folder of participants' files; without it 27 simulated ones, at the paper's rates, show what comes out."""
    judged: Path | None = None
    """answers.csv as people corrected it, in place of --answers."""
    out: Path = Path("studies/ribeiro_2016")


def main(settings: Settings) -> None:
    if settings.judged is not None:
        with settings.judged.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    else:
        rows = with_snow(simulated(27, 0) if settings.answers is None else read_answers(settings.answers))
        settings.out.mkdir(parents=True, exist_ok=True)
        with (settings.out / "answers.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    print(json.dumps(counted(rows)))


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
