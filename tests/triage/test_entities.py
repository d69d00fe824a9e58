"""Who and what a finding is about."""

from __future__ import annotations

import pytest
from triage_samples import event, evidence

from vizsla.nouns import Entity
from vizsla.triage.entities import MOST, NAMED, entities_of

KIND = "windows_sysmon:1"


def found(*lines: object, hosts: tuple[str, ...] = ("ws5",)) -> tuple[Entity, ...]:
    return entities_of(lines, hosts)  # type: ignore[arg-type]


def test_hosts_come_first_then_what_events_name_each_once() -> None:
    line = evidence(KIND, Image="C:\\a\\Cmd.EXE", ParentImage="C:\\b\\word.exe", User="CORP\\Bob")
    again = evidence(KIND, Image="D:\\x\\cmd.exe", User="corp\\bob", DestinationIp="10.0.0.9")
    assert found(line, again, hosts=("ws5", "", "ws6", "ws5")) == (
        Entity("host", "ws5", "where"),
        Entity("host", "ws6", "where"),
        Entity("process", "Cmd.EXE", "actor"),
        Entity("process", "word.exe", "parent"),
        Entity("user", "CORP\\Bob", "account"),
        Entity("address", "10.0.0.9", "target"),
    )


def test_accounts_come_with_their_domain() -> None:
    line = evidence("windows_security:4624", SubjectUserName="WS5$", SubjectDomainName="CORP", TargetUserName="bob",
                    TargetDomainName="CORP", IpAddress="10.1.1.1")  # fmt: skip
    assert found(line)[1:] == (
        Entity("user", "CORP\\WS5$", "account"),
        Entity("user", "CORP\\bob", "target"),
        Entity("address", "10.1.1.1", "source"),
    )
    (_, user) = found(evidence("x:1", SubjectUserName="CORP\\amy", SubjectDomainName="CORP"))
    assert user.value == "CORP\\amy"


@pytest.mark.parametrize("nothing", ["", "-", "(null)"])
def test_what_is_empty_names_nobody(nothing: str) -> None:
    assert found(evidence(KIND, **{name: nothing for name, _, _ in NAMED}), hosts=()) == ()


@pytest.mark.parametrize(("name", "kind", "role"), NAMED)
def test_every_named_field_gives_its_entity(name: str, kind: str, role: str) -> None:
    (entity,) = found(evidence("t:1", **{name: "thing"}), hosts=())
    assert entity == Entity(kind, "thing", role)


def test_no_more_than_a_reader_can_take() -> None:
    lines = [evidence(KIND, Image=f"C:\\p{n}.exe") for n in range(50)]
    assert len(found(*lines)) == MOST
    assert len(found(*lines, hosts=tuple(f"h{n}" for n in range(50)))) == MOST


def test_the_first_three_events_of_a_line_speak() -> None:
    events = tuple(event(KIND, Image=f"C:\\p{n}.exe") for n in range(5))
    names = [e.value for e in found(evidence(KIND, events=events), hosts=())]
    assert names == ["p0.exe", "p1.exe", "p2.exe"]


def test_no_event_no_entity() -> None:
    assert entities_of((), ()) == ()
    assert entities_of((evidence(KIND, events=()),), ("h",))[0] == Entity("host", "h", "where")
