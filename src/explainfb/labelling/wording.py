"""Every word that annotators see, as records: their fields are the lines of a wording.toml, they its sections."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PageWords:
    title: str
    loading: str


@dataclass(frozen=True, kw_only=True)
class WelcomeWords:
    consent: str
    what_you_will_do: str
    agree: str
    decline: str
    declined_title: str
    declined: str
    instructions_title: str
    shortcuts: str
    shortcuts_help: str


@dataclass(frozen=True, kw_only=True)
class QuestionWords:
    """Of one kind of question."""

    title: str
    instructions: str
    question: str
    again: str
    keys: str


@dataclass(frozen=True, kw_only=True)
class SuperpixelWords(QuestionWords):
    """Where two parts of one picture are compared; what practice says of them too."""

    left_better: str
    right_better: str
    both_good: str
    both_bad: str
    good: str
    bad: str


@dataclass(frozen=True, kw_only=True)
class YesNoWords(QuestionWords):
    yes: str
    no: str


@dataclass(frozen=True, kw_only=True)
class PointWords(QuestionWords):
    none: str
    done: str
    would_leave: str
    would_point: str


@dataclass(frozen=True, kw_only=True)
class RankWords(QuestionWords):
    which_best: str
    which_worst: str
    number: str
    best: str
    would_rank: str
    told: str


@dataclass(frozen=True, kw_only=True)
class ClipWords(QuestionWords):
    """Where two clips are compared; what the page is called, and what is said before and between, too."""

    page: str
    consent: str
    waiting: str
    example: str
    stop: str
    play: str
    frame: str
    clip: str


@dataclass(frozen=True, kw_only=True)
class AnswerWords:
    """The fields are named as the answers are stored."""

    left: str
    right: str
    equal: str
    both_good: str
    both_bad: str
    cant_tell: str


@dataclass(frozen=True, kw_only=True)
class RatingWords:
    one: str
    two: str
    three: str
    four: str
    five: str
    scale: str
    incomplete: str


@dataclass(frozen=True, kw_only=True)
class StimulusWords:
    left: str
    right: str
    says: str
    spoke_against: str
    spoke_for: str
    points: str
    own_scales: str
    scale: str
    image: str
    reasons: str
    part_for: str
    part_against: str
    nothing: str


@dataclass(frozen=True, kw_only=True)
class PlaceWords:
    """The ninths of a picture, for those who cannot see it."""

    top_left: str
    top: str
    top_right: str
    left: str
    centre: str
    right: str
    bottom_left: str
    bottom: str
    bottom_right: str


@dataclass(frozen=True, kw_only=True)
class ViewWords:
    show: str
    overlay: str
    only: str
    original: str
    strength: str
    light: str
    medium: str
    full: str


@dataclass(frozen=True, kw_only=True)
class ProgressWords:
    text: str
    less_than_a_minute: str
    minutes: str
    hours: str

    def time_left(self, seconds: float) -> str:
        """`about 6 min`, for people."""
        minutes = round(seconds / 60)
        if minutes < 1:
            return self.less_than_a_minute
        if minutes < 90:
            return self.minutes.format(minutes=minutes)
        return self.hours.format(hours=round(minutes / 60))


@dataclass(frozen=True, kw_only=True)
class ButtonWords:
    undo: str
    pause: str
    history: str
    instructions: str
    original: str
    go_on: str
    back: str
    save: str
    keep: str
    change: str
    comment: str


@dataclass(frozen=True, kw_only=True)
class PracticeWords:
    heading: str
    invitation: str
    would_say: str
    would_rate_high: str
    would_rate_low: str
    too: str
    your_view: str
    left_better: str
    right_better: str
    both_good: str
    both_bad: str
    good: str
    bad: str
    circle: str
    cross: str
    square: str
    triangle: str


@dataclass(frozen=True, kw_only=True)
class HistoryWords:
    title: str
    nothing: str
    at: str
    closed: str
    so_far: str
    rated: str


@dataclass(frozen=True, kw_only=True)
class ClosingWords:
    no_link_title: str
    no_link: str
    pause_title: str
    paused: str
    waiting_title: str
    waiting: str
    thanks_title: str
    thanks: str
    completed_title: str
    completed: str
    code: str
    confirm: str
    full_title: str
    full: str


@dataclass(frozen=True, kw_only=True)
class NoticeWords:
    nothing_to_undo: str
    not_stored: str
    went_wrong: str
    not_shown: str


@dataclass(frozen=True, kw_only=True)
class Wording:
    """Every word that annotators see, in one language."""

    language: str
    """A tag of BCP 47 such as `en`, by which screen readers pronounce the page."""
    direction: str
    """`ltr` or `rtl`: where lines begin. Left and right of a comparison stay where they are."""
    page: PageWords
    welcome: WelcomeWords
    compare: QuestionWords
    rate: QuestionWords
    superpixels: SuperpixelWords
    rate_superpixels: QuestionWords
    yes_no: YesNoWords
    point: PointWords
    rank: RankWords
    clips: ClipWords
    answers: AnswerWords
    ratings: RatingWords
    stimuli: StimulusWords
    places: PlaceWords
    views: ViewWords
    progress: ProgressWords
    buttons: ButtonWords
    practice: PracticeWords
    history: HistoryWords
    closing: ClosingWords
    notices: NoticeWords
