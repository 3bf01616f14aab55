"""What holds for the whole suite: a property fails for what it finds, never for how long a busy machine takes."""

from hypothesis import HealthCheck, Phase, settings

from tests.helpers.examples import FACTOR

settings.register_profile(
    "suite", deadline=None, max_examples=100 * FACTOR, suppress_health_check=[HealthCheck.too_slow]
)
# For `python -m tests.mutants`: the same examples each time, and a failure is enough, however large its example.
settings.register_profile(
    "mutants",
    settings.get_profile("suite"),
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
)
settings.load_profile("suite")
