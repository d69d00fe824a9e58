"""The indicator store: what every feed says of every indicator, kept in the lake's room `intel`.

Three keyed tables (`claims`, `mentions`, `refused`), the feeds, and the lists that silence. A load is stored in whole
or not at all (above a million claims: in shares of as many), so a killed one is simply run again; what is said again
changes nothing. `version` grows with every change of the claims, and what came since a version is found without
looking at the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType

import pyarrow as pa
import pyarrow.compute as pc

from vizsla.errors import FeedError
from vizsla.feed import Claims, Read
from vizsla.intel import rows
from vizsla.intel.keyed import Change, Keyed
from vizsla.intel.rows import Terms
from vizsla.intel.spool import Spool, sweep
from vizsla.lake import Lake
from vizsla.nouns.indicator import Claim, Mention, Refused

ROOM = "intel"
SHARE = 1_000_000  # claims of one commit
MOST = 3_000_000  # claims that are held, to a share: a hunt has all of them in memory
PIECE = 16_384  # what is made into rows at once
TOLD = 10_000  # refusals of one load that are kept; the rest are counted


@dataclass(slots=True)
class Account:
    """What a load brought. `refused` counts all; `told` holds the first of them."""

    claims: Change = field(default_factory=Change)
    mentions: Change = field(default_factory=Change)
    said: int = 0  # claims that came, known ones too
    refused: int = 0
    told: list[Refused] = field(default_factory=list)


class Store:
    """The store of one lake. Any number may read while one writes."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.folder = lake.room(ROOM)
        self.claims_table = Keyed(self.folder / "claims", rows.CLAIMS)
        self.mentions_table = Keyed(self.folder / "mentions", rows.MENTIONS)
        self.refused_table = Keyed(self.folder / "refused", rows.REFUSED)

    @property
    def version(self) -> int:
        """The number of the newest change of the claims; 0 where there is nothing."""
        return self.claims_table.version

    def load(self, now: datetime) -> Load:
        """`with store.load(now) as load:` to add to it; at the end all is stored, after an error nothing."""
        return Load(self, now)

    def add(self, said: Iterable[Read], feed: str, *, now: datetime, terms: Terms | None = None) -> Account:
        """Store what a feed says, in one load."""
        with self.load(now) as load:
            load.take(said, feed, terms)
        return load.account

    def claims(
        self,
        ids: Sequence[str] | pa.Array | None = None,
        *,
        feed: str | None = None,
        since: int = 0,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Claims as they stand, in the columns of `rows.CLAIMS` and `keyed.OWN`: of these indicators, of this feed."""
        where: pc.Expression | None = None
        if ids is not None:
            where = pc.field("id").isin(ids if isinstance(ids, pa.Array) else pa.array(ids, pa.string()))
        if feed is not None:
            own = pc.field("feed") == feed
            where = own if where is None else where & own
        return self.claims_table.read(columns, since=since, where=where)

    def changed(self, since: int) -> pa.Array:
        """The ids of the indicators of which anything was said after version `since`, each once."""
        return pc.unique(self.claims_table.read(["id"], since=since).column("id"))

    def sighted(self) -> pa.Table:
        """Which indicators were seen here: `id` and `last` (UTC), which refreshes them. Empty where none was."""
        if not (self.lake.root / "sightings").is_dir():
            return pa.table({"id": pa.array([], pa.string()), "last": pa.array([], pa.timestamp("us", tz="UTC"))})
        from vizsla.intel.sightings import last_seen

        found = last_seen(self.lake)
        return found.filter(pc.is_valid(found.column("last")))

    def mentions(self, feed: str | None = None) -> pa.Table:
        """What reports name that is no indicator: `rows.MENTIONS`."""
        where = None if feed is None else pc.field("feed") == feed
        return self.mentions_table.read([*rows.MENTIONS.names, "added"], where=where)

    def refused(self, feed: str | None = None) -> pa.Table:
        """What could not be used, and why: `rows.REFUSED`."""
        where = None if feed is None else pc.field("feed") == feed
        return self.refused_table.read([*rows.REFUSED.names, "added"], where=where)


class Load:
    """One addition to a store. A context manager; it holds the lake's writer lock only while it stores."""

    def __init__(self, store: Store, now: datetime) -> None:
        self._store, self._now = store, now
        self.account = Account()

    def __enter__(self) -> Load:
        sweep(self._store.folder)
        self._held = self._store.claims_table.size
        self._claims, self._mentions, self._refused = (
            Spool(self._store.folder, name) for name in ("claims", "mentions", "refused")
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._commit()
        finally:
            for spool in (self._claims, self._mentions, self._refused):
                spool.clear()

    def take(self, said: Iterable[Read | Claims], feed: str, terms: Terms | None = None, place: str = "") -> Account:
        """What a feed says; `place`: the file within it. The account of this part, but for what is new in it.

        An error that `said` raises goes to the caller, and so does FeedError where the store is full; what came before
        it stays in the load.
        """
        part = Account()
        try:
            self._room()
            for piece in _pieces(said):
                self._keep(piece, feed, terms or Terms(), place, part)
        finally:
            self.account.said += part.said
            self.account.refused += part.refused
            self.account.told += part.told[: TOLD - len(self.account.told)]
        return part

    def _keep(self, piece: Sequence[Read | Claims], feed: str, terms: Terms, place: str, part: Account) -> None:
        claims = [one for one in piece if isinstance(one, Claim)]
        named = [one for one in piece if isinstance(one, Mention)]
        unusable = [one for one in piece if isinstance(one, Refused)]
        drafts = [rows.in_bulk(one, terms, self._now, place) for one in piece if isinstance(one, Claims)]
        drafts += [rows.claims(claims, terms, self._now, place)] if claims else []
        for draft, more in drafts:
            part.said += draft.rows.num_rows + len(more)
            unusable += more
            self._claims.add(draft)
        if self._claims.rows >= SHARE:
            self._commit_claims()
            self._held = self._store.claims_table.size
            self._room()
        if named:
            self._mentions.add(rows.mentions(named, self._now))
        part.refused += len(unusable)
        told = unusable[: max(0, TOLD - self._refused.rows)]
        if told:
            self._refused.add(rows.refused(told, feed, self._now))
            part.told += told

    def _room(self) -> None:
        if self._held >= MOST:
            raise FeedError(
                f"{self._held:,} claims are kept, and more than {MOST:,} are too many to hunt for",
                where=str(self._store.folder),
                fix="name fewer or smaller feeds, or drop claims that ended: `vizsla intel expire`",
            )

    def _commit(self) -> None:
        self._commit_claims()
        with self._store.lake.writing():
            store = self._store
            self.account.mentions = store.mentions_table.commit(self._mentions.batches(), self._mentions.entries)
            store.refused_table.commit(self._refused.batches(), self._refused.entries)

    def _commit_claims(self) -> None:
        entries = rows.apart(self._claims.entries, self._claims.loose)
        with self._store.lake.writing():
            self.account.claims += self._store.claims_table.commit(self._claims.batches(), entries)
        self._claims.clear()


def _pieces(said: Iterable[Read | Claims]) -> Iterator[list[Read | Claims]]:
    """What is said in lists of about PIECE. What came before an error is given out before it is raised."""
    source = iter(said)
    failure: Exception | None = None
    while failure is None:
        piece: list[Read | Claims] = []
        size = 0
        try:
            for one in source:
                piece.append(one)
                size += len(one) if isinstance(one, Claims) else 1
                if size >= PIECE:
                    break
        except Exception as error:  # noqa: BLE001  raised below, once what came before it is kept
            failure = error
        if piece:
            yield piece
        elif failure is None:
            return
    raise failure
