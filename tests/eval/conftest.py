"""Settings of the property tests here."""

from hypothesis import settings

# time is not what these tests are about, and shared machines stall
settings.register_profile("no-deadline", deadline=None, max_examples=50)
settings.load_profile("no-deadline")
