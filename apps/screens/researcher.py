"""The researchers' page: what has been answered, by whom, how well, and the answers themselves."""

import functools
from collections import Counter
from collections.abc import Callable

import pandas as pd
import streamlit as st

from explainfb.core.errors import InputError
from explainfb.core.types import Answer, Interval
from explainfb.export import FORMATS, Format, answers_table, as_bytes, ratings_table
from explainfb.labelling.served_study import Served
from explainfb.labelling.server import ADDRESS, LOCALHOST, PORT, address, link
from explainfb.preferences.agreement import (
    AnnotatorQuality,
    annotator_quality,
    disagreements,
    left_bias,
    measure_agreement,
)
from explainfb.preferences.care import concerns, effect_of_leaving_out
from explainfb.results.records import RoundResult
from explainfb.store import Annotator, Kind, Role, Store, StoredAnswer, StoredComparison
from screens import style
from screens.asking import SCREENS
from screens.guard import allowed, guarded, guarded_page, tell, token_of_page

LOOK_AGAIN_SECONDS = 5.0
SHOWN_DISAGREEMENTS, SHOWN_COMMENTS = 5, 50
MADE = "made link"
"""The key of a link that was just made, and whose it is."""
DECISIONS = {Kind.EXCLUDED: "left out", Kind.INCLUDED: "taken back in", Kind.ENDED: "asked no more"}


def show(served: Served, person: Annotator) -> None:
    style.english()
    style.heading("The study so far")
    style.small(served.describe())
    forgotten = served.store.annotators.forgotten()
    if forgotten.people:
        style.small(f"Deleted at their wish: {forgotten.people} people with {forgotten.answers} answers.")
    _rounds(served, person)
    found = served.store.answers()
    left_out = {each.name for each in served.store.annotators.all() if each.excluded}
    fitted = [answer for answer in found if answer.annotator not in left_out]
    style.heading("Who answered", level=2)
    by_round = st.toggle("One row for each round", key="by-round")
    with st.container(key="people"):
        st.dataframe(_people(served, found, by_round=by_round), hide_index=True, width="stretch")
    _invite(served, person)
    _leave_out(served, person)
    _comments(found)
    style.heading("Can the answers be trusted?", level=2)
    _trust(served, fitted)
    _reward(served)
    _most_disagreed(served, fitted)
    style.heading("Downloads", level=2)
    _downloads(served, person)


@st.fragment(run_every=LOOK_AGAIN_SECONDS)
@guarded_page
def _rounds(served: Served, person: Annotator) -> None:
    """Drawn anew by itself every few seconds."""
    if not allowed(served, person):
        st.rerun()
    with st.container(key="rounds"):
        for round_number, is_open in served.store.rounds().items():
            progress = served.store.progress(round_number, overlap=served.settings.overlap)
            state = "open" if is_open else "closed"
            text = (
                f"Round {round_number} of {served.settings.rounds}, {state}: {progress.answered} of {progress.asked} "
                f"comparisons answered by {served.settings.overlap}; {progress.answers} answers"
            )
            st.progress(progress.answered / max(progress.asked, 1), text=text)
        if not served.store.rounds():
            st.write("No round has been asked yet.")
    _flags(served)


def _flags(served: Served) -> None:
    """Whose answers want a look, as soon as they do."""
    care, left_out = served.settings.care, {each.name for each in served.store.annotators.all() if each.excluded}
    for concern in concerns(served.store.answers(), care):
        if concern.annotator not in left_out:
            st.warning(style.as_text(str(concern)))


def _people(served: Served, found: list[StoredAnswer], *, by_round: bool) -> pd.DataFrame:
    """One row for each annotator, or for each and round; those without answers too."""
    known = {person.name: person for person in served.store.annotators.all()}
    rows = [_row(quality, known[quality.annotator]) for quality in annotator_quality(found, by_round=by_round)]
    invited = {name for name, person in known.items() if person.role is Role.ANNOTATOR}
    silent = invited - {row["name"] for row in rows}
    rows += [_row(_NOBODY, known[name]) | {"name": name} for name in sorted(silent)]
    table = pd.DataFrame(rows, columns=list(_row(_NOBODY, None)))
    return table if by_round else table.drop(columns="round")


def _row(quality: AnnotatorQuality, person: Annotator | None) -> dict[str, object]:
    return {
        "name": quality.annotator,
        "round": quality.round,
        "answers": quality.answers,
        "seconds an answer": round(quality.seconds, 1),
        "no difference": f"{quality.equal_share:.0%}",
        "both good": f"{quality.both_good_share:.0%}",
        "both bad": f"{quality.both_bad_share:.0%}",
        "can't tell": f"{quality.cant_tell_share:.0%}",
        "known answers right": f"{quality.gold_correct} of {quality.gold_answered}{_between(quality.gold_share)}",
        "chose left": _percent(quality.left_share),
        "link": _link(person),
        "learned from": "no" if person and person.excluded else "yes",
    }


_NOBODY = AnnotatorQuality("", None, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0, None, None)


def _link(person: Annotator | None) -> str:
    return "open" if person and person.has_link else "closed"


def _between(share: Interval | None) -> str:
    return "" if share is None else f" ({share.low:.0%} to {share.high:.0%})"


def _percent(share: Interval | None) -> str:
    return "" if share is None else f"{share.estimate:.0%}{_between(share)}"


def _trust(served: Served, found: list[StoredAnswer]) -> None:
    """Agreement and left bias of those who are in the fit, each in a sentence."""
    said = Counter(answer.answer for answer in found if answer.current and answer.answer is not None)
    if said and served.settings.question != "clips":  # which nobody calls both bad
        share = said[Answer.BOTH_BAD] / said.total()
        st.write(
            f"Both bad: {said[Answer.BOTH_BAD]} of {said.total()} answers ({share:.0%}) say that neither explanation "
            "is any good. They teach a tie, as no difference and both good do."
        )
    together = measure_agreement(found, seed=served.settings.seed)
    if together is None:
        st.write("Agreement: no comparison has been answered by two people yet (see `--overlap`).")
    else:
        alpha = "not defined, since everyone said the same" if together.alpha is None else f"{together.alpha:.2f}"
        ends = together.interval
        interval = "" if ends is None else f" (95 % interval {ends.low:.2f} to {ends.high:.2f})"
        st.write(
            f"Agreement: Krippendorff's alpha is **{alpha}**{interval}, over {together.comparisons} comparisons that "
            "two people or more answered (nominal; 1 is perfect, 0 is chance)."
        )
    bias = left_bias(found)
    if bias is not None:
        st.write(
            f"Left bias: left was chosen {bias.left} times and right {bias.right} times, {_percent(bias.share)} left; "
            f"p = {bias.p_value:.3f} that a fair coin would be as far off (exact binomial test; gold items left out)."
        )


def _reward(served: Served) -> None:
    rows = served.reward_accuracies()
    if not rows:
        st.write("Reward: none has been fitted here yet.")
        return
    st.write("How many held-out answers the reward predicts, round by round:")
    with st.container(key="reward"):
        st.dataframe(pd.DataFrame([_of_round(each) for each in rows]), hide_index=True, width="stretch")


def _of_round(each: RoundResult) -> dict[str, float | None]:
    accuracy = each.reward_accuracy
    return {
        "round": each.round,
        "answers so far": each.answers,
        "held-out answers": each.held_out,
        "of them predicted": None if accuracy is None else accuracy.estimate,
        "95 % from": None if accuracy is None else accuracy.low,
        "95 % to": None if accuracy is None else accuracy.high,
    }


def _most_disagreed(served: Served, found: list[StoredAnswer]) -> None:
    """What people disagree on most, with its pictures and who said what how often."""
    most = [item for item in disagreements(found, limit=SHOWN_DISAGREEMENTS) if item.differing > 0]
    if not most:
        return
    style.heading("What people disagree on most", level=2)
    for number, item in enumerate(most):
        shown = served.shown(item.comparison.comparison)
        with st.container(key=f"pair-disagreed-{number}", border=True):
            columns = st.columns([1] * len(shown) + [2])
            for column, each, picture in zip(columns, shown, served.small_pictures(shown), strict=False):
                column.image(picture, alt=each.describe(served.words), width=110)
                column.caption(each.quality)  # people may disagree because there is only noise to see
            with columns[-1]:
                for answer, count in item.counts.items():
                    if count:
                        style.caption(f"{count} ×", _told(item.comparison, answer), left=True)


def _told(asked: StoredComparison, answer: Answer, said: str | None = None) -> str:
    return SCREENS[asked.comparison.asked].told(answer, said)


def _invite(served: Served, person: Annotator) -> None:
    """A new personal link, shown once."""
    with st.expander("Invite someone"):
        name = st.text_input("Name", key="invited")
        st.button("Make a personal link", key="invite", on_click=_add, args=(served, person, name))
        made: tuple[str, str] | None = st.session_state.pop(MADE, None)
        if made is not None:
            st.write(style.as_text(f"The link of {made[0]}, shown only now:"))
            st.code(made[1], language=None, wrap_lines=True)


@guarded
def _add(served: Served, person: Annotator, name: str) -> None:
    if not allowed(served, person):
        return
    try:
        token = served.store.annotators.add(name.strip())
    except InputError as error:
        tell(str(error))
        return
    base = served.store.read_setting(ADDRESS) or address(LOCALHOST, PORT)
    st.session_state[MADE] = (name.strip(), link(base, token))
    st.session_state["invited"] = ""


def _comments(found: list[StoredAnswer]) -> None:
    """What people typed, the latest first."""
    typed = [each for each in reversed(found) if each.comment and each.current]
    if not typed:
        return
    with st.expander(f"Comments ({len(typed)})"):
        for each in typed[:SHOWN_COMMENTS]:
            said = _told(each.comparison, each.answer, each.said) if each.answer is not None else ""
            shown = " against ".join(map(str, each.comparison.comparison.shown))
            style.caption(each.annotator, f"{said}, {shown}: “{each.comment}”", left=True)


def _leave_out(served: Served, person: Annotator) -> None:
    """Leaving someone out of the fit, on record with who decided and why."""
    people = {each.name: each for each in served.store.annotators.all() if each.role is Role.ANNOTATOR}
    with st.expander("Leave someone out of the fit, or take them back in"):
        if not people:
            st.write("Nobody has been invited yet: explainfb annotators --study DIR add NAME.")
            return
        name = st.selectbox("Who", list(people), key="who")
        style.small(effect_of_leaving_out(served.store.answers(), name, served.store.rounds()))
        reason = st.text_input("Why (kept on record)", key="why")
        out = people[name].excluded or served.store.annotators.visit(name).ended
        decide = functools.partial(_decide, served, person, name, reason, back=out)
        st.button("Take back in" if out else "Leave out", key="decide", on_click=decide)
        for event in served.store.annotators.events():
            if event.kind in DECISIONS:
                style.caption(
                    f"{event.annotator} {DECISIONS[event.kind]}",
                    f"by {event.by} on {event.at:%Y-%m-%d %H:%M} UTC: {event.detail}",
                    left=True,
                )


@guarded
def _decide(served: Served, person: Annotator, name: str, reason: str, *, back: bool) -> None:
    if not allowed(served, person):
        return
    if not reason.strip():
        tell("Say why, so that it can be judged later; nothing was changed.")
        return
    decide = served.store.annotators.include if back else served.store.annotators.exclude
    decide(name, by=person.name, reason=reason.strip())
    st.session_state["why"] = ""  # or the reason would stand there for the next person


def _downloads(served: Served, person: Annotator) -> None:
    token = token_of_page(served)  # taken now: a download is made later, when there is no page to ask
    with st.container(key="downloads"):
        for column, format in zip(st.columns(len(FORMATS)), FORMATS, strict=True):
            column.download_button(
                f"Answers as {format}",
                functools.partial(_file, served, person, token, answers_table, format),
                file_name=f"answers.{format}",
                key=f"download-{format}",
                width="stretch",
            )
        if served.store.ratings():
            st.download_button(
                "Ratings as csv",
                functools.partial(_file, served, person, token, ratings_table, "csv"),
                file_name="ratings.csv",
            )


def _file(
    served: Served, person: Annotator, token: str, table: Callable[[Store], pd.DataFrame], format: Format
) -> bytes:
    """What a download holds; nothing for a link that was closed meanwhile."""
    return as_bytes(table(served.store), format) if allowed(served, person, token) else b""
