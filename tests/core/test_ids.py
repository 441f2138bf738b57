"""Identifiers: one of a kind, in the order in which they are made."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

import orjson

from app.core.ids import first_id, moment_of, new_id


class TestNewId:
    def test_is_a_uuid_like_any_other(self):
        id = new_id()
        assert (id.version, id.variant) == (7, RFC_4122)
        assert id == UUID(str(id)) == UUID(int=id.int)
        assert hash(id) == hash(UUID(str(id)))
        assert orjson.dumps(id) == f'"{id}"'.encode()

    def test_is_made_once_by_however_many_threads(self):
        with ThreadPoolExecutor(8) as threads:
            made = list(threads.map(lambda _: [new_id() for _ in range(2000)], range(8)))
        ids = [id for some in made for id in some]
        assert len({*ids}) == len(ids)
        assert len({id.int & 0x3FFF_FFFF_FFFF_FFFF for id in ids}) == len(ids)

    def test_is_not_the_one_of_a_forked_process(self):
        new_id()
        reading, writing = os.pipe()
        if (child := os.fork()) == 0:
            os.write(writing, str(new_id()).encode())
            os._exit(0)
        os.waitpid(child, 0)
        theirs = UUID(os.read(reading, 36).decode())
        assert (theirs.int ^ new_id().int) & 0x3FFF_FFFF_FFFF_FFFF

    def test_sorts_by_time_and_tells_it(self):
        before = datetime.now(UTC) - timedelta(milliseconds=1)
        first = new_id()
        deadline = time.monotonic() + 0.002
        while time.monotonic() < deadline:
            pass
        second = new_id()
        assert first < second
        assert before <= moment_of(first) <= moment_of(second) <= datetime.now(UTC)
        assert first_id(moment_of(first)) <= first < first_id(moment_of(first) + timedelta(milliseconds=1))
