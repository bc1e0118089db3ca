"""The codes of models that run in an environment of their own, each with its cause and its cure."""

from __future__ import annotations

ISOLATED_CODES: dict[str, tuple[str, str]] = {
    # isolated.*: environments of isolated models (isolated_plan.py, lock_requirements.py, environment_*.py)
    "isolated.no-lock": (
        "The bundle does not say which packages an environment of its own must hold.",
        "Pack the model again with a lock, or install what `explain` lists and use the native runtime.",
    ),
    "isolated.lock": (
        "No environment can be built from the lock in the bundle: it must give name, version and SHA-256 of each file.",
        "Pack the model again.",
    ),
    "isolated.platform": (
        "Workers cannot be started here: they need Linux or macOS, and a loader that lies in plain files.",
        "Install modelwheel by pip or uv on such a machine, or use another runtime.",
    ),
    "isolated.python": (
        "No interpreter that the model can run on is on this machine.",
        "Install that Python, or name one by Isolation(python=…).",
    ),
    "isolated.build": (
        "The environment could not be built: a file is not in the index, has another hash, or exists as source only.",
        "Read what the tool says: it is in the notes of the error. Isolation(find_links=…) looks into folders of wheels.",
    ),
    "isolated.folder": (
        "Environments cannot be kept in that folder: it cannot be written to, or others may write there.",
        "Name another folder by Isolation(environments=…).",
    ),
    "isolated.unknown": ("There is no environment of that name.", "`modelwheel env list` shows them."),
    "isolated.ambiguous": ("Several environments begin with that name.", "Write more of the name."),
    # export.*: folders for machines without an index (modelwheel/airgap)
    "export.no-wheel": (
        "The lock lists no wheel of a package for that Python and platform.",
        "Name a platform that it has wheels for, or build one from its source, and pack with a lock that lists it.",
    ),
    "export.download": (
        "pip could not download a wheel: it is not in the index, or has another hash.",
        "Read what pip says: it is in the notes of the error. --find-links looks into folders of wheels.",
    ),
    # worker.*: the process of an isolated model (isolated/worker_process.py). The next call starts a fresh one.
    "worker.start": (
        "The interpreter of the environment does not start.",
        "Remove the environment by `modelwheel env remove`; it is built again.",
    ),
    "worker.resources": (
        "The system gives this process no more files, memory or processes, so that it cannot start or ask a worker.",
        "Raise its limits (`ulimit -n`, `ulimit -u`), or close models that it does not need.",
    ),
    "worker.crashed": (
        "The worker's process ended by itself: compiled code crashed, or the model ended it.",
        "Call again: a fresh worker answers. The notes of the error say where it was.",
    ),
    "worker.killed": (
        "Somebody killed the worker; often it is the kernel, because memory ran out.",
        "Call again: a fresh worker answers. Send fewer rows at once, or give the machine more memory.",
    ),
    "worker.memory": (
        "The worker ran out of memory, or reached Isolation(memory=…).",
        "Call again: a fresh worker answers. Send fewer rows at once.",
    ),
    "worker.timeout": (
        "The worker did not answer in Isolation(timeout=…) and was ended.",
        "Call again: a fresh worker answers. Send fewer rows at once, or allow more time.",
    ),
    "worker.busy": (
        "All workers were busy with other calls for Isolation(timeout=…); nothing was asked and none was ended.",
        "Call again later; Isolation(workers=…) starts more. A service answers 503.",
    ),
    "worker.protocol": (
        "What the worker sent does not follow the protocol.",
        "Call again; if it stays, the model writes into memory.",
    ),
}
