"""Arrow events as the text that log files hold: Windows events as JSON lines, Zeek as tab-separated lines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.simulate.columns import EVENT_FIELDS, NATIVE, ZEEK_TYPES
from vizsla.simulate.tokens import strings

_XMLNS = '{"xmlns":"http://schemas.microsoft.com/win/2004/08/events/event"}'
_CONTROL = (("\r", "\\r"), ("\n", "\\n"), ("\t", "\\t"))


def escaped(values: pa.Array) -> pa.Array:
    """Strings as they stand within JSON quotes."""
    values = pc.replace_substring(pc.replace_substring(values, "\\", "\\\\"), '"', '\\"')
    if pc.any(pc.match_substring_regex(values, "[\\x00-\\x1f]")).as_py():
        for raw, shown in _CONTROL:
            values = pc.replace_substring(values, raw, shown)
    return values


def windows_lines(table: str, batch: pa.RecordBatch, shape: str) -> pa.Array:
    """A channel's events as JSON lines: `evtx_dump`'s shape (jsonl) or winlogbeat's of version 7 and later."""
    ids = batch["EventID"].dictionary_encode()
    order, lines = [], []
    for number, event in enumerate(ids.dictionary.to_pylist()):
        where = pc.indices_nonzero(pc.equal(ids.indices, number))
        order.append(where)
        lines.append(_encode(table, batch.take(where), event, shape))
    back = pc.sort_indices(pa.concat_arrays(order))
    return pa.concat_arrays(lines).take(back)


def _fields(table: str, batch: pa.RecordBatch) -> pa.Array | None:
    """The event's own fields as the inside of a JSON object; None where this kind of event has none."""
    pieces = []
    for name in EVENT_FIELDS[table]:
        values = batch[name]
        if values.null_count < len(values):
            pieces.append(pc.binary_join_element_wise(f'"{name}":"', escaped(values), '"', ""))
    if not pieces:
        return None
    return pc.binary_join_element_wise(*pieces, ",", null_handling="skip")


def _quoted(values: pa.Array) -> pa.Array:
    return pc.fill_null(pc.binary_join_element_wise('"', escaped(values), '"', ""), "null")


def _encode(table: str, batch: pa.RecordBatch, event: str, shape: str) -> pa.Array:
    return _winlogbeat(table, batch, event) if shape == "winlogbeat" else _evtx_dump(table, batch, event)


def _first(batch: pa.RecordBatch, name: str) -> str | None:
    """The one value that a field has in all events of a kind."""
    value: str | None = batch[name][0].as_py()
    return value


def _evtx_dump(table: str, batch: pa.RecordBatch, event: str) -> pa.Array:
    one = {
        n: _first(batch, n)
        for n in (
            "Provider_Name",
            "ProviderGuid",
            "Version",
            "Level",
            "Task",
            "Opcode",
            "Keywords",
            "Channel",
            "Computer",
        )
    }
    provider = {"Name": one["Provider_Name"]} | ({"Guid": one["ProviderGuid"]} if one["ProviderGuid"] else {})
    head = (
        f'{{"Event":{{"#attributes":{_XMLNS},"System":{{"Provider":{{"#attributes":{orjson.dumps(provider).decode()}}},'
        f'"EventID":{event},"Version":{one["Version"]},"Level":{one["Level"]},"Task":{one["Task"]},"Opcode":{one["Opcode"]},'
        f'"Keywords":"{one["Keywords"]}","TimeCreated":{{"#attributes":{{"SystemTime":"'
    )
    user = pc.fill_null(pc.binary_join_element_wise('{"#attributes":{"UserID":"', batch["UserID"], '"}}', ""), "null")
    fields = _fields(table, batch)
    data = ("null",) if fields is None else ("{", fields, "}")
    names = {"Channel": one["Channel"], "Computer": one["Computer"]}
    place = f'}}}},{orjson.dumps(names).decode()[1:-1]},"Security":'
    return pc.binary_join_element_wise(
        head,
        batch["SystemTime"],
        '"}},"EventRecordID":',
        batch["EventRecordID"],
        ',"Correlation":null,"Execution":{"#attributes":{"ProcessID":',
        batch["ExecutionProcessID"],
        ',"ThreadID":',
        batch["ExecutionThreadID"],
        place,
        user,
        '},"EventData":',
        *data,
        "}}",
        "",
    )


def _winlogbeat(table: str, batch: pa.RecordBatch, event: str) -> pa.Array:
    # task, opcode, level and keywords are there in words of the machine's language, which are not simulated
    one = {n: _first(batch, n) for n in ("Provider_Name", "ProviderGuid", "Version", "Channel", "Computer")}
    guid = f',"provider_guid":{orjson.dumps(one["ProviderGuid"]).decode()}' if one["ProviderGuid"] else ""
    middle = (
        f'","@version":"1","event":{{"code":"{event}","kind":"event","provider":{orjson.dumps(one["Provider_Name"]).decode()}}},'
        f'"host":{{"name":{orjson.dumps(one["Computer"]).decode()}}},"winlog":{{"api":"wineventlog","channel":{orjson.dumps(one["Channel"]).decode()},'
        f'"computer_name":{orjson.dumps(one["Computer"]).decode()},"event_id":"{event}","provider_name":{orjson.dumps(one["Provider_Name"]).decode()}{guid},'
        f'"version":{one["Version"]},"record_id":"'
    )
    user = pc.fill_null(pc.binary_join_element_wise('},"user":{"identifier":"', batch["UserID"], '"}', ""), "}")
    fields = _fields(table, batch)
    data = ("{}",) if fields is None else ("{", fields, "}")
    return pc.binary_join_element_wise(
        '{"@timestamp":"',
        batch["SystemTime"],
        middle,
        batch["EventRecordID"],
        '","process":{"pid":',
        batch["ExecutionProcessID"],
        ',"thread":{"id":',
        batch["ExecutionThreadID"],
        "}",
        user,
        ',"event_data":',
        *data,
        "}}",
        "",
    )


def zeek_header(table: str, day: date) -> bytes:
    """The lines that Zeek writes at the top of a log."""
    names = NATIVE[table]
    types = "\t".join(ZEEK_TYPES.get(n, "string") for n in names)
    fields, path = "\t".join(names), table.removeprefix("zeek_")
    return (
        f"#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\t{path}\n"
        f"#open\t{day.isoformat()}-00-00-00\n#fields\t{fields}\n#types\t{types}\n"
    ).encode()


def zeek_lines(table: str, batches: Sequence[pa.RecordBatch]) -> pa.Array:
    """Zeek's lines of a day, all hosts', in order of time."""
    whole = pa.Table.from_batches(batches).sort_by([("_time", "ascending"), ("uid", "ascending")]).combine_chunks()
    dash = pa.scalar("-", pa.string())
    columns = [
        pc.fill_null(whole[n].combine_chunks() if whole[n].num_chunks != 1 else whole[n].chunk(0), dash)
        for n in NATIVE[table]
    ]
    return pc.binary_join_element_wise(*columns, "\t") if columns else strings([])
