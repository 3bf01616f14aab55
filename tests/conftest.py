"""What holds for the whole suite: a property fails for what it finds, never for how long a busy machine takes."""

from hypothesis import HealthCheck, settings

from tests.helpers.examples import FACTOR

settings.register_profile(
    "suite", deadline=None, max_examples=100 * FACTOR, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")
