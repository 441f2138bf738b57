import re
from collections.abc import Collection, Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.openapi_sync.naming import assign_names
from app.openapi_sync.operation import Operation
from tests.openapi_sync.documents import operation

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")


def names_of(
    *operations: Operation,
    taken: Collection[str] = (),
    shared: Collection[str] = (),
    integration: str = "sofa",
) -> list[str]:
    return assign_names(
        operations, taken=frozenset(taken), integration_name=integration, shared_paths=frozenset(shared)
    )


def digits_of(method: str, path: str) -> str:
    return sha256(f"{method} {path}".encode()).hexdigest()[:8]


class TestSource:
    def test_prefers_the_name_that_the_document_gives(self):
        assert names_of(operation(operation_id="listPets", handler_name="My_Pets")) == ["my_pets"]

    @pytest.mark.parametrize(
        ("operation_id", "name"),
        [
            ("listPets", "list-pets"),
            ("ListPets", "list-pets"),
            ("list_pets", "list-pets"),
            ("repos/list-for-org", "repos-list-for-org"),
            ("getHTTPResponse", "get-http-response"),
            ("listURLsAndIDs", "list-urls-and-ids"),
            ("getV2Users", "get-v2-users"),
            ("read_item_items__item_id__get", "read-item-items-item-id-get"),
            ("  Über die Brücke! ", "uber-die-brucke"),
            ("Pets.v1", "pets-v1"),
        ],
    )
    def test_writes_an_operation_id_in_kebab_case(self, operation_id, name):
        assert names_of(operation(operation_id=operation_id)) == [name]

    @pytest.mark.parametrize(
        ("path", "name"),
        [
            ("/pets", "pets"),
            ("/sofa/pets/{petId}/photos", "pets-photos"),
            ("/SOFA/pets", "pets"),
            ("/pets/sofa", "pets-sofa"),
            ("/user_profiles", "user_profiles"),
            ("/v1/users({id})/export.csv", "v1-users-export-csv"),
            ("webhooks/newPet", "new-pet"),
        ],
    )
    def test_falls_back_on_the_path(self, path, name):
        assert names_of(operation(path=path)) == [name]

    def test_adds_the_method_where_two_share_a_path(self):
        both = operation("GET", "/pets"), operation("POST", "/pets")
        assert names_of(*both, shared=["/pets"]) == ["pets-get", "pets-post"]

    @pytest.mark.parametrize("operation_id", ["日本", "---", "___", "!"])
    def test_tries_the_next_source_when_nothing_is_left_of_one(self, operation_id):
        assert names_of(operation(operation_id=operation_id)) == ["pets"]

    @pytest.mark.parametrize("path", ["/", "/{id}", "/sofa", "/日本"])
    def test_uses_method_and_digits_when_nothing_is_left_at_all(self, path):
        assert names_of(operation(path=path)) == [f"get-{digits_of('GET', path)}"]


class TestCollisions:
    def test_give_every_collider_its_digits(self):
        one, other = operation("GET", "/a", "same"), operation("GET", "/b", "Same")
        expected = [f"same-{digits_of('GET', '/a')}", f"same-{digits_of('GET', '/b')}"]
        assert names_of(one, other) == expected
        assert names_of(other, one) == expected[::-1]

    def test_do_not_touch_bystanders(self):
        assert (
            names_of(operation("GET", "/a", "x"), operation("GET", "/b", "x"), operation("GET", "/c", "y"))[2]
            == "y"
        )

    def test_give_digits_to_a_name_that_the_tenant_has(self):
        assert names_of(operation(operation_id="a"), taken=["a"]) == [f"a-{digits_of('GET', '/pets')}"]

    def test_find_yet_another_name_when_that_one_is_taken_too(self):
        second = f"a-{digits_of('GET', '/pets')}"
        [name] = names_of(operation(operation_id="a"), taken=["a", second])
        assert NAME.fullmatch(name)
        assert name not in {"a", second}

    def test_do_not_run_into_a_name_with_digits_that_another_operation_wants(self):
        wanted = f"a-{digits_of('GET', '/a')}"
        names = names_of(
            operation(path="/a", operation_id="a"), operation(path="/b", operation_id=wanted), taken=["a"]
        )
        assert names[1] == wanted
        assert names[0] not in {"a", wanted}

    def test_cut_a_long_name_to_make_room_for_its_digits(self):
        [name] = names_of(operation(operation_id="x" * 101))
        assert name == "x" * 91 + "-" + digits_of("GET", "/pets")
        assert names_of(operation(operation_id="x" * 100)) == ["x" * 100]


texts = st.text(max_size=120) | st.sampled_from(["a", "A", "same", "x" * 150, "", "_", "{a}"])
described = st.builds(
    lambda path, operation_id, handler_name: operation(
        path=f"/{path}", operation_id=operation_id, handler_name=handler_name
    ),
    texts,
    st.none() | texts,
    st.none() | texts,
)


class TestEveryName:
    @given(
        st.lists(described, max_size=12, unique_by=lambda one: one.path),
        st.sets(st.sampled_from(["a", "same", "get"])),
        st.randoms(),
    )
    def test_is_legal_unique_free_and_independent_of_order(
        self, operations: Sequence[Operation], taken, random
    ):
        names = names_of(*operations, taken=taken)
        assert all(NAME.fullmatch(name) for name in names)
        assert len(set(names) | taken) == len(names) + len(taken)
        order = list(range(len(operations)))
        random.shuffle(order)
        assert names_of(*(operations[n] for n in order), taken=taken) == [names[n] for n in order]
