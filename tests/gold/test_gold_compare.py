"""The list for a person: new, missing, altered, restored; against a group or an image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gold_samples import DAY, DEFRAG, MINUTE, altered, gathered, lake_of, quiet, row
from vizsla.cli.main import app
from vizsla.errors import UsageError
from vizsla.gold.compare import Inventory, compared, inventory
from vizsla.gold.look import kinds_named
from vizsla.gold.units import facts_of

HOSTS = [f"srv{n}" for n in range(12)]


def held(rows: list[dict[str, Any]]) -> Inventory:
    return inventory(facts_of(gathered(rows)))


def listed(host: str, *names: str) -> list[dict[str, Any]]:
    return [row(host, n, "listed", name, kind="service", program=f"c:\\{name}.exe") for n, name in enumerate(names)]


def differences(own: Inventory, image: Inventory | None = None) -> list[tuple[str, str, str]]:
    table = compared(own, dict.fromkeys(own.hosts, "all"), image)
    return [(r["what"], r["host"], r["item"]) for r in table.to_pylist()]


def test_hosts_that_hold_the_same_do_not_differ() -> None:
    assert differences(held(quiet(12, 3))) == []


def test_what_was_altered_and_restored_is_told_though_it_is_as_before() -> None:
    table = compared(held([*quiet(12, 3), *altered("srv4", 2 * DAY + 300 * MINUTE)]), dict.fromkeys(HOSTS, "all"))
    (found,) = table.to_pylist()
    assert (found["what"], found["host"], found["item"]) == ("altered, restored", "srv4", DEFRAG)
    assert (found["value"], found["usual"]) == ("c:\\windows\\temp\\x.exe", "c:\\windows\\system32\\defrag.exe")
    assert (found["hosts"], found["of"], found["by"]) == (1, 12, "CORP\\eve")


def test_new_and_missing_in_snapshots() -> None:
    rows = [one for host in HOSTS[1:] for one in listed(host, "spooler", "agent")]
    found = differences(held([*rows, *listed("srv0", "spooler", "evil")]))
    assert sorted(found) == [("missing", "srv0", "agent"), ("new", "srv0", "evil")]


def test_no_event_is_no_proof_of_absence() -> None:
    rows = [row(host, 0, "ran", "\\Task", program="a.exe") for host in HOSTS]
    others = [row(host, 1, "ran", "\\Other", program="b.exe") for host in HOSTS[1:]]
    assert differences(held([*rows, *others])) == []


def test_what_was_removed_is_missing() -> None:
    gone = row("srv3", 5 * DAY, "deleted", DEFRAG, actor="CORP\\eve", code="141")
    assert differences(held([*quiet(12, 3), gone])) == [("missing", "srv3", DEFRAG)]


def test_every_difference_from_an_image_is_told() -> None:
    image = held([*listed("gold", "spooler", "agent")])
    own = held([one for host in HOSTS for one in listed(host, "spooler", "odd")])
    found = differences(own, image)
    assert len(found) == 2 * len(HOSTS)
    assert {(what, item) for what, _, item in found} == {("new", "odd"), ("missing", "agent")}


@pytest.mark.parametrize(("said", "kind"), [("tasks", "task"), ("Service", "service"), ("software", "software")])
def test_kinds_are_named_as_people_say_them(said: str, kind: str) -> None:
    assert kinds_named(said) == (kind,)


def test_an_unknown_kind_says_which_there_are() -> None:
    with pytest.raises(UsageError, match="service"):
        kinds_named("sevrices")


def test_the_command_lists_it(tmp_path: Path) -> None:
    lake_of(tmp_path / "lake", [*quiet(12, 3), *altered("srv4", 2 * DAY + 300 * MINUTE)])
    run = CliRunner().invoke
    told = run(app, ["gold", "--lake", str(tmp_path / "lake"), "--format", "csv"])
    assert told.exit_code == 0, told.output
    assert '"altered, restored",srv4,group 1,task' in told.output
    beside = run(
        app, ["gold", "--lake", str(tmp_path / "lake"), "--image", "srv1", "--kind", "tasks", "--format", "csv"]
    )
    assert "srv4" in beside.output
    assert run(app, ["gold", "--lake", str(tmp_path / "lake"), "--group", "none"]).exit_code == 2
    assert run(app, ["gold", "--lake", str(tmp_path / "lake"), "--image", "nowhere"]).exit_code == 2
