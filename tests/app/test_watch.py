"""`--config.auto-reload`: what counts as a change."""

import asyncio
from pathlib import Path

from pyscrape.app.watch import watch


async def test_a_change_during_a_reload_is_another_change(tmp_path: Path) -> None:
    path = tmp_path / "prometheus.yml"
    path.write_text("one")
    taken: list[str] = []
    ended = asyncio.Event()

    async def reload() -> None:
        taken.append(path.read_text())
        if len(taken) == 1:
            path.write_text("three")
        else:
            ended.set()

    watching = asyncio.create_task(watch(0.001, lambda: [str(path)], reload))
    while not taken:  # the watch has its first sum before the file changes, or sees no change
        path.write_text(path.read_text() + "2")
        await asyncio.sleep(0)
    await asyncio.wait_for(ended.wait(), 30)
    watching.cancel()
    assert taken[1] == "three"


async def test_a_reload_that_names_other_files_is_one_reload(tmp_path: Path) -> None:
    old, new = tmp_path / "old.yml", tmp_path / "new.yml"
    old.write_text("one")
    new.write_text("new")
    names = [str(old)]
    looks = 0
    reloads = 0
    ended = asyncio.Event()

    def files() -> list[str]:
        nonlocal looks
        looks += 1
        if looks == 2:
            old.write_text("two")
        if looks == 6:
            ended.set()
        return list(names)

    async def reload() -> None:
        nonlocal reloads
        reloads += 1
        names.append(str(new))

    watching = asyncio.create_task(watch(0.001, files, reload))
    await asyncio.wait_for(ended.wait(), 30)
    watching.cancel()
    assert reloads == 1
