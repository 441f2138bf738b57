"""What is said of a place in another file of a description."""

import pytest

from app.openapi_sync.bundling import MOST_TOLD, bundle
from app.openapi_sync.file_places import as_written, place_of
from app.openapi_sync.offline import plan_offline
from tests.openapi_sync.sofa import document, get, query
from tests.openapi_sync.test_files import Folder, answered, ref

pytestmark = pytest.mark.anyio


class TestAsWritten:
    @pytest.mark.parametrize("file", ["a.yml", "dir/a.yml", "a~b", "a~1b"])
    @pytest.mark.parametrize("pointer", ["", "/limit", "/paths/~1a/0"])
    def test_names_the_file_of_a_place(self, file, pointer):
        assert as_written(f"#{place_of(file)}{pointer}") == f"{file}#{pointer}"

    @pytest.mark.parametrize("reference", ["#/components", "#", "a.yml#/x", "#/x-jackfield-files"])
    def test_leaves_other_references_alone(self, reference):
        assert as_written(reference) == reference


class TestWarnings:
    async def warnings(self, root: dict[str, object], **files: object) -> list[tuple[str, str]]:
        made = bundle(await Folder(**files).gather({"openapi": "3.1.0", "paths": root}))
        return [(one.pointer, one.message) for one in plan_offline(made.text, "", made.oddities).warnings]

    async def test_name_the_file_that_the_place_is_in(self):
        pets = get("listPets", parameters=[query("limit"), ref("#/none"), ref("../c.json#/none")])
        told = await self.warnings({"/pets": ref("b/pets")}, b__pets=pets, **{"c.json": {}})
        assert told == [
            ("b/pets#/get/parameters/1", "the reference b/pets#/none leads nowhere"),
            ("b/pets#/get/parameters/2", "the reference c.json#/none leads nowhere"),
        ]

    async def test_of_the_description_itself_are_pointers(self):
        own = get("own", parameters=[ref("#/none"), ref("a#/none")])
        told = await self.warnings({"/own": own}, a={})
        assert [pointer for pointer, _ in told] == [f"/paths/~1own/get/parameters/{n}" for n in (0, 1)]

    async def test_of_an_operation_name_the_file_of_its_path(self):
        told = await self.warnings({"/pets/{id}": ref("pets")}, pets=get("showPet"))
        assert told == [("pets#/get", "the path variable id is not declared as a parameter")]

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            (b'\xef\xbb\xbf{"get": {}}', "byte order mark"),
            (b'{"get": {"summary": "caf\xe9"}}', "Windows-1252"),
            (b'{"get": {"summary": "a\\u0000b"}}', "NUL"),
            (b'{"get": {},}', "not valid JSON and was read as YAML"),
            (b"get:\n  summary: a\n  summary: b\n", "given twice"),
        ],
    )
    async def test_tell_what_was_odd_about_another_file(self, text, says):
        [(pointer, message)] = await self.warnings({"/pets": ref("dir/pets")}, dir__pets=text)
        assert pointer.startswith("dir/pets#")
        assert says in message

    async def test_of_many_files_are_few(self):
        files = {f"f{number:02}": b'\xef\xbb\xbf{"get": {}}' for number in range(30)}
        told = await self.warnings({f"/{name}": ref(name) for name in files}, **files)
        assert len(told) == MOST_TOLD + 1
        assert told[-1] == ("", "10 more warnings of files are not shown")

    async def test_reach_whoever_syncs(self, sofa):
        sofa.upstream.answer("/sofa/a", answered(b'\xef\xbb\xbf{"get": {"parameters": [7]}}'))
        result = await sofa.sync({"/a": ref("a")})
        assert [one["pointer"] for one in result["warnings"]] == ["a#", "a#/get/parameters/0"]

    async def test_of_an_upload_say_that_the_reference_leads_out_of_it(self, sofa):
        response = await sofa.client.post(
            f"{sofa.address}/sync-handlers/document",
            content=document({"/a": get("a", parameters=[ref("b.json#/limit")])}),
            headers={"Content-Type": "application/json"},
        )
        assert (response.status_code, response.json()["degraded"]) == (200, 1)
        [warning] = response.json()["warnings"]
        assert warning == {
            "pointer": "/paths/~1a/get/parameters/0",
            "message": "the reference b.json#/limit leads out of the document",
        }
