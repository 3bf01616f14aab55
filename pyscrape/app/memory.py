"""What the process asks of the system: memory as small as what it holds, files as many as it may open.

A query's arrays come and go in several threads. numpy asks the kernel for huge pages for the large ones, and glibc
keeps freed memory in an arena a thread; left alone, both made a server with 20 MB of samples grow past 500 MB.
"""

import ctypes
import ctypes.util
import gc
import logging
import os
import resource
import sys

logger = logging.getLogger("pyscrape")

TRIM_EVERY_S = 10.0
_M_ARENA_MAX = -8
_ARENAS = 2
_M_MMAP_THRESHOLD = -3
_M_TRIM_THRESHOLD = -1
_ALONE_BYTES = 16 << 20
_KEPT_BYTES = 8 << 20
_ALONE_IN_AGENT_BYTES = 256 << 10


def prepare_environment() -> None:
    """Settings that numpy and its BLAS read when they are imported; call it before."""
    # One thread is enough for the small matrices here; a BLAS pool costs start-up time and memory.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("NUMPY_MADVISE_HUGEPAGE", "0")


def _libc() -> ctypes.CDLL | None:
    """glibc, None on other systems and with other C libraries."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "malloc_trim") and hasattr(libc, "mallopt") else None


def limit_arenas(*, agent: bool = False) -> None:
    """Let all threads share two arenas, so that memory that one frees serves the others, and keep the largest arrays
    out of them: they go back to the system when they are freed.

    glibc moves its bound up to 32 MB by itself once an array of that size was freed; from then on one small object
    above a hole of that size keeps it. With the bound at 1 MB range queries cost a fifth more, at 16 MB nothing.
    Once that bound is set, glibc gives the top of an arena back with every freed 128 KB, and a query spends up to a
    fourth of its time on the kernel's pages: some MB stay until `give_back`. An agent keeps none.
    An agent answers no queries, and its large blocks are pages of some 100 KB that come and go with each scrape: out
    of the arenas they leave no holes there (10 MB less of 132 with 20 targets of 5,000 series).
    """
    libc = _libc()
    if libc is not None:
        libc.mallopt(_M_ARENA_MAX, _ARENAS)
        libc.mallopt(_M_MMAP_THRESHOLD, _ALONE_IN_AGENT_BYTES if agent else _ALONE_BYTES)
        if not agent:
            libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def collect_less_often() -> None:
    """Let the collector of cycles run after 20,000 new objects instead of 700: it looks at every label of every
    target, and 20,000 targets that begin cost a third more with it."""
    gc.set_threshold(20_000, 10, 10)


def give_back() -> bool:
    """Return freed memory to the system; whether there was any. Takes some milliseconds, without the GIL."""
    libc = _libc()
    return libc is not None and bool(libc.malloc_trim(0))


def raise_file_limit() -> None:
    """Allow as many open files as the system lets this process have: each target keeps a connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:
        # macOS says that there is no limit, and refuses to have none.
        extra = {"limit": soft, "err": str(error)}
        text = "Cannot raise the limit of open files: ulimit -n says how many targets there may be"
        logger.warning(text, extra=extra)
