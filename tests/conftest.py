# SPDX-License-Identifier: Apache-2.0
"""What all tests take for granted."""

import contextlib
import multiprocessing
import signal

# A shell that starts the suite in the background has it ignore Ctrl-C, and so would every process that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

with contextlib.suppress(ModuleNotFoundError):  # Of the tests that run on a GPU machine none needs it.
    from hypothesis import HealthCheck, settings

    # A busy machine may take a while for any example. Fixtures of these tests hand out folders and functions.
    checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    settings.register_profile("patient", deadline=None, suppress_health_check=checks)
    settings.load_profile("patient")


def pytest_unconfigure() -> None:
    for process in multiprocessing.active_children():  # Left by tests that failed; Python would wait for them for ever.
        process.kill()
