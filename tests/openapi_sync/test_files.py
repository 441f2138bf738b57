"""Descriptions in several files."""

import os
import tarfile
from pathlib import Path

import orjson
import pytest

from app.cli.descriptions import load
from app.core.errors import NotFound, UpstreamTimedOut
from app.openapi_sync import files as module
from app.openapi_sync.bundling import bundle
from app.openapi_sync.file_places import FILES
from app.openapi_sync.files import gather, is_alone, named
from app.openapi_sync.offline import plan_offline
from tests.fixtures.upstream import Answer
from tests.openapi_sync.sofa import PATH, document, get, query
from tests.openapi_sync.test_router import everything

pytestmark = pytest.mark.anyio

SPECS = os.environ.get("JACKFIELD_SPECS")


def ref(to: str) -> dict[str, str]:
    return {"$ref": to}


def answered(value: object) -> Answer:
    return Answer(body=value if isinstance(value, bytes) else orjson.dumps(value))


class Folder:
    """Files of which some are there, and what was asked for."""

    def __init__(self, **there: object) -> None:
        self.there = {name.replace("__", "/"): value for name, value in there.items()}
        self.asked: list[str] = []

    async def read(self, name: str, _: int) -> bytes:
        self.asked.append(name)
        if name not in self.there:
            raise NotFound
        value = self.there[name]
        return value if isinstance(value, bytes) else orjson.dumps(value)

    async def gather(self, root: object, max_bytes: int = 10**6):
        return await gather("openapi.json", orjson.dumps(root), self.read, max_bytes=max_bytes)


def bundled(gathered) -> dict:
    return orjson.loads(bundle(gathered).text)


class TestNames:
    @pytest.mark.parametrize(
        ("name", "reference", "expected"),
        [
            ("openapi.json", "a.yml#/x", "a.yml"),
            ("openapi.json", "./a/b.yml", "a/b.yml"),
            ("a/b/c.yml", "../d.yml#/x", "a/d.yml"),
            ("a/b/c.yml", "../../openapi.json#/components", "openapi.json"),
            ("a.yml", "two%20words.yml", "two words.yml"),
        ],
    )
    def test_are_paths_from_the_folder(self, name, reference, expected):
        assert named(name, reference) == expected

    @pytest.mark.parametrize(
        "reference",
        [
            *("../a.yml", "a/../../b.yml", "..", ".", "a/..", "", "#/x", "/etc/passwd", "//host/a.yml"),
            *("https://example.com/a.yml", "file:///etc/passwd", "a.yml?key=1", "..\\a.yml", "%2e%2e/a.yml"),
            *("a%252f.yml", "a\n.yml", "a%0a.yml", "a%00.yml", "http://[", "x" * 2000),
        ],
    )
    def test_lead_nowhere_else(self, reference):
        assert named("openapi.json", reference) is None

    @pytest.mark.parametrize("raw", [b'{"$ref": "#/a"}', b"$ref: '#/a'", b"$ref: '#/a' \n", b"{}"])
    def test_are_not_looked_for_in_what_stands_alone(self, raw):
        assert is_alone(raw)

    @pytest.mark.parametrize(
        "raw", [b'{"$ref":"a.yml"}', b"$ref: a.yml", b"$ref: 'a.yml#/b'", b'"$ref": "a"']
    )
    def test_are_looked_for_in_json_and_yaml(self, raw):
        assert not is_alone(raw)


class TestGathering:
    async def test_follows_files_to_files_and_asks_for_each_once(self):
        folder = Folder(a={"x": ref("b"), "y": ref("a")}, b={"z": ref("a#/x"), "w": ref("openapi.json#/q")})
        gathered = await folder.gather({"p": [ref("a"), ref("a#/x"), ref("b")]})
        assert (folder.asked, gathered.files.keys(), gathered.missing) == (["b", "a"], {"a", "b"}, {})

    async def test_leaves_out_what_nothing_is_made_of(self):
        folder = Folder()
        await folder.gather(
            {
                "examples": ref("a"),
                "x-samples": [ref("b")],
                "example": ref("c"),
                "properties": {"example": {"x-y": ref("d")}},
            }
        )
        assert folder.asked == []

    async def test_takes_what_calls_need_first(self, monkeypatch):
        monkeypatch.setattr(module, "MAX_FILES", 2)
        folder = Folder(a={"x": ref("b")}, b={}, answer={})
        gathered = await folder.gather({"responses": ref("answer"), "parameters": ref("a")})
        assert folder.asked == ["a", "b"]
        assert gathered.missing == {"answer": "the description has more than 2 files"}

    async def test_notes_what_is_not_there_or_no_document(self):
        folder = Folder(html=b"<html>", broken=b"{\n  'a: [")
        gathered = await folder.gather({"a": [ref("none"), ref("html"), ref("broken"), ref("../up")]})
        assert gathered.missing.keys() == {"none", "html", "broken"}
        assert gathered.files == {}

    async def test_stops_at_the_limit_of_all_together(self):
        folder = Folder(a={"x": "y" * 100}, b={"x": "y" * 100})
        gathered = await folder.gather({"p": [ref("a"), ref("b")]}, max_bytes=200)
        assert len(gathered.files) == 1
        assert [*gathered.missing.values()] == ["the files of the description are too large together"]

    async def test_does_not_wait_for_ever(self, monkeypatch):
        monkeypatch.setattr(module, "MAX_SECONDS", 0)
        with pytest.raises(UpstreamTimedOut):
            await Folder(a={}).gather({"p": ref("a")})


class TestBundle:
    async def test_leads_every_reference_to_its_place(self):
        folder = Folder(
            dir__a={"own": ref("#/there"), "up": ref("../b#/x"), "root": ref("../openapi.json#/q/1")}, b={}
        )
        made = bundled(await folder.gather({"p": ref("dir/a"), "q": ref("dir/a#/own"), "r": ref("#/p")}))
        assert made == {
            "p": ref(f"#/{FILES}/dir~1a"),
            "q": ref(f"#/{FILES}/dir~1a/own"),
            "r": ref("#/p"),
            FILES: {
                "b": {},
                "dir/a": {
                    "own": ref(f"#/{FILES}/dir~1a/there"),
                    "up": ref(f"#/{FILES}/b/x"),
                    "root": ref("#/q/1"),
                },
            },
        }

    async def test_leaves_alone_what_leads_nowhere_and_what_is_only_text(self):
        root = {"a": ref("none"), "b": 'He said "$ref": "a" to me', "c": ref("a")}
        made = bundled(await Folder(a={}).gather(root))
        assert (made["a"], made["b"]) == (root["a"], root["b"])

    async def test_makes_no_anchor_a_part_of_a_name(self):
        root = {"p": ref("a#b"), "q": ref("ab")}
        made = bundled(await Folder(a={"x": ref("#b")}, ab={}).gather(root))
        assert (made["p"], made[FILES]["a"]) == (ref("a#b"), {"x": ref("#b")})

    async def test_tells_of_what_is_left_out(self):
        gathered = await Folder().gather({"p": [ref(f"f{number}") for number in range(30)]})
        told = bundle(gathered).oddities
        assert len(told) == 21
        assert told[0].message.startswith("the file f29 is left out: ")


PETS = {
    "/pets": ref("paths/pets.yml"),
    "/pets/{id}": get("showPet", parameters=[ref("./parameters.json#/id")]),
}
PETS_YML = b"""
get:
  operationId: listPets
  parameters:
    - $ref: '../parameters.json#/limit'
post:
  operationId: addPet
  requestBody:
    content:
      application/json:
        schema: {$ref: ../schemas/pet.json}
"""
PARAMETERS = {"limit": query("limit", "20"), "id": {"name": "id", "in": "path", "required": True}}
PET = {"type": "object", "properties": {"name": {"default": "Rex"}, "owner": ref("owner.json")}}


class TestSync:
    @pytest.fixture
    def pets(self, sofa):
        sofa.publish(PETS)
        for path, value in {
            "paths/pets.yml": PETS_YML,
            "parameters.json": PARAMETERS,
            "schemas/pet.json": PET,
            "schemas/owner.json": {"type": "string"},
        }.items():
            sofa.upstream.answer(f"/sofa/{path}", answered(value))
        return sofa

    async def test_makes_handlers_of_operations_in_other_files(self, pets):
        result = await pets.sync()
        assert (result["created"], result["degraded"], result["skipped"]) == (3, 0, [])
        handlers = await pets.handlers()
        assert handlers["list-pets"]["defaultArgs"] == {"limit": "20"}
        assert handlers["add-pet"]["defaultArgs"] == {"name": "Rex"}
        assert [one["name"] for one in handlers["show-pet"]["target"]["parameters"]] == ["id"]

    async def test_needs_no_file_again_to_show_a_tool(self, pets):
        await pets.sync()
        asked = len(pets.upstream.requests)
        tools = (await pets.client.get(f"{pets.address}/tools")).json()
        [schema] = [one["inputSchema"] for one in tools if one["name"] == "add-pet"]
        assert schema["$defs"][schema["properties"]["owner"]["$ref"].rpartition("/")[2]] == {"type": "string"}
        assert len(pets.upstream.requests) == asked

    async def test_writes_no_row_while_no_file_changed(self, pets, acme, database):
        pets.answer(Answer(body=document(PETS), headers={"ETag": '"v1"'}))
        await pets.sync()
        before = await everything(database, acme)
        result = await pets.sync()
        assert (result["unchanged"], result["notModified"]) == (3, True)
        assert await everything(database, acme) == before
        assert "if-none-match" not in pets.upstream.requests[-1].headers

    async def test_sees_that_another_file_changed(self, pets):
        await pets.sync()
        pets.upstream.answer("/sofa/parameters.json", answered({**PARAMETERS, "limit": query("size", "10")}))
        assert (await pets.sync())["updated"] == 1
        assert (await pets.handlers())["list-pets"]["defaultArgs"] == {"size": "10", "limit": "20"}

    async def test_goes_on_without_a_file_that_cannot_be_had(self, pets):
        pets.upstream.answer("/sofa/paths/pets.yml", Answer(404))
        result = await pets.sync()
        assert result["created"] == 1
        assert [one["path"] for one in result["skipped"]] == ["/pets"]
        assert "the file paths/pets.yml is left out" in result["warnings"][0]["message"]

    @pytest.mark.parametrize("number", [b"1e999", b"9" * 400])
    async def test_reads_numbers_that_no_double_holds(self, pets, number):
        pets.upstream.answer("/sofa/schemas/owner.json", answered(b'{"maximum": %b, "$ref": "a"}' % number))
        assert (await pets.sync())["created"] == 3

    async def test_reads_such_a_number_in_a_document_of_one_file_too(self, sofa):
        body = document({"/pets": get("listPets", parameters=[ref("http://a.example/b")])})
        sofa.answer(Answer(body=body[:-1] + b',"x":1e999}'))
        assert (await sofa.sync())["degraded"] == 1

    async def test_makes_no_handler_of_another_file_for_an_anchor(self, sofa):
        sofa.upstream.answer("/sofa/a", answered(get("one")))
        sofa.upstream.answer("/sofa/ab", answered(get("another")))
        result = await sofa.sync({"/pets": ref("a#b"), "/others": ref("ab")})
        assert [one["path"] for one in result["skipped"]] == ["/pets"]

    async def test_takes_no_anchor_for_the_whole_document(self, sofa):
        [skipped] = (await sofa.sync({"/pets": ref("#a")}))["skipped"]
        assert skipped["reason"] == "the reference #a is not a JSON Pointer"

    async def test_follows_no_file_that_was_moved(self, pets):
        moved = Answer(302, headers={"Location": f"{pets.upstream.url}/secret.yml"})
        pets.upstream.answer("/sofa/paths/pets.yml", moved)
        await pets.sync()
        assert "/secret.yml" not in {one.path for one in pets.upstream.requests}

    async def test_asks_for_nothing_outside_of_the_folder(self, sofa, upstream):
        outside = {
            f"/p{number}": ref(reference)
            for number, reference in enumerate(
                ("../other/a.yml", "/admin", f"{upstream.url}/sofa/b.yml", "http://127.0.0.1:1/c.yml")
            )
        }
        result = await sofa.sync({**outside, "/pets": get("listPets")})
        assert (result["created"], len(result["skipped"])) == (1, 4)
        assert [one.path for one in upstream.requests] == [PATH]

    async def test_sends_no_credentials_for_files(self, pets):
        await pets.sync()
        assert not any({"authorization", "cookie"} & one.headers.keys() for one in pets.upstream.requests)

    async def test_of_an_upload_has_no_folder(self, sofa):
        response = await sofa.client.post(
            f"{sofa.address}/sync-handlers/document",
            content=document({**PETS, "/a": get("a")}),
            headers={"Content-Type": "application/json"},
        )
        [skipped] = response.json()["skipped"]
        assert skipped["reason"] == "the reference paths/pets.yml leads out of the document"


class TestLocally:
    @pytest.fixture
    def folder(self, tmp_path):
        made = tmp_path / "api"
        (made / "paths").mkdir(parents=True)
        (made / "openapi.json").write_bytes(document({"/pets": ref("paths/pets.json")}))
        (made / "paths/pets.json").write_bytes(orjson.dumps(get("listPets")))
        return made

    def test_reads_the_files_below_its_own(self, folder):
        made = plan_offline(load(str(folder / "openapi.json")).text, "")
        assert [one.name for one in made.create] == ["list-pets"]

    def test_reads_nothing_that_a_link_leads_to_elsewhere(self, folder, tmp_path):
        (tmp_path / "secret.json").write_bytes(orjson.dumps(get("secret")))
        (folder / "paths/pets.json").unlink()
        (folder / "paths/pets.json").symlink_to(tmp_path / "secret.json")
        found = load(str(folder / "openapi.json"))
        assert b"secret" not in found.text
        assert "paths/pets.json is left out" in found.oddities[0].message


@pytest.mark.skipif(SPECS is None, reason="JACKFIELD_SPECS names no folder with real API descriptions")
def test_digitalocean_is_read_whole(tmp_path):
    with tarfile.open(Path(SPECS or "") / "digitalocean-tree.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    [root] = tmp_path.rglob("DigitalOcean-public.v2.yaml")
    made = plan_offline(load(str(root)).text, "")
    assert (len(made.create), len(made.skipped)) == (659, 0)
    assert not any(one.operation.is_degraded for one in made.create)
