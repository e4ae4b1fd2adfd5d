"""What a study is declared to do must be possible on its task."""

from explainfb.core.errors import InputError
from explainfb.preferences.queries import check_enough
from explainfb.preferences.simulated import check_annotator
from explainfb.robustness.autoattack import check_installed
from explainfb.study.arms.registry import ARMS
from explainfb.study.settings import StudySettings
from explainfb.tasks.task import Task


def check_possible(settings: StudySettings, task: Task) -> None:
    """Raise `InputError` for what these settings ask for and the task cannot give."""
    if settings.annotator == "simulated":
        check_annotator(task)
    for name in settings.controls:
        ARMS[name].check(name, settings, task)
    check_decides(settings, task)
    if settings.evaluation.autoattack_images:
        check_installed()
    images, comparisons = len(task.train), settings.comparisons_per_round
    check_enough(images, comparisons, settings.queries, settings.asked, settings.lime.n_segments)


def check_decides(settings: StudySettings, task: Task) -> None:
    """Raise `InputError` where the task has nothing to measure `settings.decides` on, or has something better."""
    shifted, chosen = task.shifted is not None, settings.decides
    if chosen in ("shifted_accuracy", "worst_group_accuracy") and not shifted:
        raise InputError(
            f"--decides {chosen} needs images whose shortcut misleads, and {task.name} has none; plant a shortcut "
            "(--plant), put such pictures into test-shifted, or decide by clean_accuracy."
        )
    if chosen in ("robust_accuracy", "clean_accuracy") and shifted:
        raise InputError(
            f"{task.name} has images whose shortcut misleads, so that --decides is shifted_accuracy or "
            f"worst_group_accuracy (or ece); found {chosen}, which does not see what the shortcut does."
        )
