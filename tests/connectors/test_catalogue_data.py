"""What holds for every record of the catalogue, and which deviations some of them have to tell."""

import re
from collections import Counter
from ipaddress import ip_address
from typing import get_args
from urllib.parse import urlsplit

import orjson
import pytest

from app.connectors.catalogue import FOLDER, connectors
from app.connectors.definition import AuthKind, Connector
from app.connectors.fields import PLACEHOLDER, placeholders
from app.connectors.oauth2 import RefreshKind

CATEGORIES = {
    "accounting",
    "ai",
    "analytics",
    "automation",
    "communication",
    "crm",
    "data",
    "design",
    "developer-tools",
    "documents",
    "e-commerce",
    "education",
    "finance",
    "forms",
    "games",
    "health",
    "hr",
    "identity",
    "infrastructure",
    "iot",
    "maps",
    "marketing",
    "media",
    "payments",
    "productivity",
    "project-management",
    "security",
    "social",
    "storage",
    "support",
    "travel",
}
REFUSED = [
    "",
    "evil.com#",
    "evil.com/",
    "evil.com?",
    "a@b",
    "a:b",
    "a\n",
    "a b",
    "a\\b",
    "[::1]",
    "a%2f",
    "..",
]
NOWHERE = ("azure-apim.net", "azurewebsites.net", "localhost", "example.com", "example.org")
WHOLE_HOST = re.compile(r"https://\{\w+\}(?=[/?]|$)")
SELF_HOSTED = {
    "1password-connect",
    "gitea",
    "github-enterprise-server",
    "gitlab",
    "jellyfin",
    "jotform-enterprise",
    "keycloak",
    "mastodon",
    "netbox",
    "traccar",
    "woocommerce",
    "xtrf-home-portal",
}
ALL = list(connectors().values())
VARIABLES = [(one.slug, name, variable) for one in ALL for name, variable in one.variables.items()]
WITH_OAUTH2 = [(one.slug, one.auth.oauth2) for one in ALL if one.auth.oauth2 is not None]


def written(one: Connector) -> str:
    return FOLDER.joinpath(f"{one.slug}.json").read_text(encoding="utf-8")


def hosts(one: Connector) -> set[str]:
    """Of every URL. What people fill in is left out, and whole where it is all of the host."""
    urls = [url for _, url in one.urls() if not WHOLE_HOST.match(url)]
    return {urlsplit(PLACEHOLDER.sub("x", url)).hostname or "" for url in urls}


def is_public(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return "." in host.strip(".") and not any(f".{host}".endswith(f".{one}") for one in NOWHERE)
    return False


def at(value: object, path: str) -> object:
    """What stands in JSON at a path, or None where the default holds."""
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


class TestWhole:
    def test_is_worth_looking_into(self):
        kinds = Counter(kind for one in connectors().values() for kind in one.auth.kinds)
        assert len(connectors()) >= 400
        assert kinds["oauth2"] >= 250
        assert set(kinds) == set(get_args(AuthKind))

    def test_has_each_name_once(self):
        names = Counter(one.name.casefold() for one in connectors().values())
        assert [name for name, times in names.items() if times > 1] == []

    def test_uses_a_small_vocabulary_of_categories(self):
        assert {category for one in connectors().values() for category in one.categories} == CATEGORIES

    def test_says_nothing_twice(self):
        apis = Counter(
            (one.api.base_url, *sorted(one.variables))
            for one in connectors().values()
            if one.api
            and one.api.base_url != "https://graph.microsoft.com/v1.0"
            and not WHOLE_HOST.match(one.api.base_url)
        )
        assert [url for url, times in apis.items() if times > 1] == []


class TestEveryRecord:
    def test_is_a_file_of_its_own_name_written_in_one_way(self):
        files = {one.slug: one.model_dump_json(by_alias=True, exclude_defaults=True, indent=2) for one in ALL}
        assert [one.slug for one in ALL if written(one) != files[one.slug] + "\n"] == []

    def test_tells_where_it_comes_from(self):
        assert [one.slug for one in ALL if one.provenance is None] == []

    def test_names_fields_that_there_are_where_it_assumes_something(self):
        unknown = []
        for one in ALL:
            values = one.model_dump(by_alias=True)
            paths = one.provenance.assumed if one.provenance else []
            unknown += [(one.slug, path) for path in paths if at(values, path) is None]
        assert unknown == []

    def test_has_a_category_and_somewhere_to_go(self):
        ways = [one.slug for one in ALL if one.api or one.docs or one.auth.oauth2 or one.auth.oauth1]
        assert [one.slug for one in ALL if one.slug not in ways or not one.categories] == []

    def test_writes_notes_as_sentences(self):
        assert [(one.slug, note) for one in ALL for note in one.notes if not note.endswith(".")] == []

    def test_names_public_hosts(self):
        assert [(one.slug, host) for one in ALL for host in hosts(one) if not is_public(host)] == []

    def test_sends_credentials_over_https_alone(self):
        assert [one.slug for one in ALL if "http://" in written(one)] == []

    def test_names_whole_hosts_as_variables_alone(self):
        names = [(one, placeholders(url)[0]) for one in ALL for _, url in one.urls() if WHOLE_HOST.match(url)]
        assert [(one.slug, name) for one, name in names if name not in one.variables] == []

    def test_lets_no_value_of_a_provider_into_a_host(self):
        parts = [(one, urlsplit(url).netloc) for one in ALL for _, url in one.urls()]
        assert [one.slug for one, host in parts if not set(placeholders(host)) <= set(one.variables)] == []

    def test_declares_what_its_urls_name_and_no_more(self):
        named = {one.slug: {name for _, url in one.urls() for name in placeholders(url)} for one in ALL}
        assert [one.slug for one in ALL if not set(one.variables) <= named[one.slug]] == []


class TestEveryVariable:
    def test_shows_values_that_match_it(self):
        wrong = []
        for slug, name, variable in VARIABLES:
            values = [value for value in (variable.example, variable.default) if value is not None]
            if not values or not all(re.fullmatch(variable.pattern, value) for value in values):
                wrong.append((slug, name))
        assert wrong == []

    @pytest.mark.parametrize("value", REFUSED, ids=repr)
    def test_lets_no_value_leave_its_place(self, value):
        assert [(slug, name) for slug, name, one in VARIABLES if re.fullmatch(one.pattern, value)] == []

    def test_is_any_host_only_where_people_run_the_product_themselves(self):
        wholes = {
            (one.slug, placeholders(url)[0]) for one in ALL for _, url in one.urls() if WHOLE_HOST.match(url)
        }
        patterns = {(slug, name): one.pattern for slug, name, one in VARIABLES}
        assert {
            slug for slug, name in wholes if re.fullmatch(patterns[slug, name], "evil.com")
        } == SELF_HOSTED
        assert {slug for slug, name in wholes if re.fullmatch(patterns[slug, name], "127.0.0.1")} == set()


class TestEveryOAuth2:
    def test_has_what_its_grants_need(self):
        assert [
            slug
            for slug, one in WITH_OAUTH2
            if ("authorization_code" in one.grants) != (one.authorize is not None)
            or ("device_code" in one.grants) != (one.device_url is not None)
        ] == []

    def test_asks_for_the_scopes_it_cannot_do_without(self):
        assert [slug for slug, one in WITH_OAUTH2 if not set(one.required_scopes) <= set(one.scopes)] == []

    def test_asks_for_one_scope_at_a_time(self):
        assert [slug for slug, one in WITH_OAUTH2 if len(set(one.scopes)) != len(one.scopes)] == []
        assert [
            slug for slug, one in WITH_OAUTH2 if any(re.search(r"[\s,]", scope) for scope in one.scopes)
        ] == []

    def test_keeps_the_parameters_of_the_protocol_out_of_its_extra_ones(self):
        own = {"client_id", "client_secret", "redirect_uri", "code", "state", "code_challenge", "scope"}
        assert [slug for slug, one in WITH_OAUTH2 if own & set(one.token.params)] == []
        assert [slug for slug, one in WITH_OAUTH2 if one.authorize and own & set(one.authorize.params)] == []

    def test_has_a_lifetime_only_where_there_is_something_that_lives(self):
        nothing = {RefreshKind.NONE, RefreshKind.RE_GRANT}
        lives = [(slug, one.refresh) for slug, one in WITH_OAUTH2 if one.refresh.kind in nothing]
        assert [slug for slug, one in lives if one.idle_seconds or one.absolute_seconds] == []

    def test_has_a_time_of_grace_only_where_there_is_grace(self):
        graced = [(slug, one.refresh.kind) for slug, one in WITH_OAUTH2 if one.refresh.grace_seconds]
        assert [slug for slug, kind in graced if kind is not RefreshKind.ROTATE_GRACE] == []


QUIRKS = {
    "airtable": {
        "token.clientAuth": "basic",
        "refresh.kind": "rotate_strict",
        "refresh.idleSeconds": 5184000,
    },
    "adobe-acrobat-sign": {"callback.keep": ["api_access_point", "web_access_point"]},
    "basecamp": {"authorize.params": {"type": "web_server"}, "refresh.params": {"type": "refresh"}},
    "bitrix24": {"token.method": "GET", "token.format": "query", "use.place": "query"},
    "box": {"refresh.kind": "rotate_grace", "refresh.idleSeconds": 5184000},
    "clickup": {"authorize.pkce": "none", "use.scheme": "", "refresh.kind": "none"},
    "clover": {
        "token.format": "json",
        "refresh.omit": ["client_secret"],
        "answer.expiresAt": "access_token_expiration",
    },
    "confluence": {"requiredScopes": ["offline_access"], "refresh.kind": "rotate_grace"},
    "deezer": {
        "authorize.stateIn": "redirect_uri",
        "authorize.scopeParam": "perms",
        "answer.expiresIn": "expires",
    },
    "dingtalk": {
        "callback.codeParam": "authCode",
        "answer.accessToken": "accessToken",
        "token.format": "json",
    },
    "discord": {"authorize.url": "https://discord.com/api/oauth2/authorize", "refresh.kind": "rotate_strict"},
    "docusign": {"token.clientAuth": "basic", "refresh.idleSeconds": 2592000},
    "dropbox": {"authorize.params": {"token_access_type": "offline"}, "refresh.kind": "fixed"},
    "ebay": {"refresh.keepsScope": True, "refresh.absoluteSeconds": 47304000, "token.clientAuth": "basic"},
    "epic-games": {"token.basicEncoding": "raw"},
    "exact-online": {"refresh.minAgeSeconds": 570, "refresh.kind": "rotate_strict"},
    "facebook": {
        "refresh.kind": "re_exchange",
        "refresh.tokenParam": "fb_exchange_token",
        "answer.error": "error.code",
    },
    "feishu": {"answer.okWhen": {"code": 0}, "token.format": "json"},
    "figma": {"refresh.url": "https://api.figma.com/v1/oauth/refresh", "token.clientAuth": "basic"},
    "fitbit": {
        "refresh.kind": "rotate_grace",
        "refresh.graceSeconds": 120,
        "answer.error": "errors.0.errorType",
    },
    "github": {"token.headers": {"Accept": "application/json"}, "answer.scopeSeparator": ","},
    "gmail": {
        "authorize.url": "https://accounts.google.com/o/oauth2/v2/auth",
        "authorize.params": {"access_type": "offline", "prompt": "consent"},
        "token.url": "https://oauth2.googleapis.com/token",
        "refresh.kind": "fixed",
    },
    "instagram": {"refresh.kind": "re_exchange", "refresh.method": "GET", "refresh.minAgeSeconds": 86400},
    "jira": {"authorize.params": {"audience": "api.atlassian.com", "prompt": "consent"}},
    "kommo": {"callback.keep": ["referer"], "token.format": "json"},
    "lightspeed-retail": {"callback.keep": ["domain_prefix"], "refresh.minAgeSeconds": 82800},
    "linkedin": {"authorize.pkce": "none", "refresh.absoluteSeconds": 31536000},
    "mailchimp": {"answer.zeroMeansNever": True, "refresh.kind": "none"},
    "mixcloud": {"authorize.stateIn": "redirect_uri", "use.place": "query"},
    "monday": {"use.scheme": "", "authorize.pkce": "none"},
    "myanimelist": {"authorize.pkce": "plain"},
    "netsuite": {"refresh.absoluteSeconds": 604800, "refresh.kind": "fixed"},
    "notion": {"token.format": "json", "token.clientAuth": "basic", "authorize.params": {"owner": "user"}},
    "nuvemshop": {"use.name": "Authentication"},
    "optimizely": {"authorize.scopeParam": "scopes"},
    "outlook": {
        "requiredScopes": ["offline_access"],
        "refresh.kind": "sliding",
        "refresh.idleSeconds": 7776000,
    },
    "qiita": {"answer.accessToken": "token", "token.format": "json"},
    "quickbooks": {"callback.keep": ["realmId"], "refresh.absoluteSeconds": 157680000},
    "reddit": {"authorize.params": {"duration": "permanent"}, "token.clientAuth": "basic"},
    "salesforce": {"requiredScopes": ["refresh_token"], "answer.keep": ["instance_url", "id"]},
    "shopify": {"callback.verify": "shopify_hmac", "use.name": "X-Shopify-Access-Token", "use.scheme": ""},
    "slack": {"answer.okWhen": {"ok": True}, "authorize.scopeSeparator": ",", "authorize.pkce": "none"},
    "square": {"token.format": "json", "answer.expiresAt": "expires_at"},
    "strava": {
        "answer.expiresAt": "expires_at",
        "authorize.scopeSeparator": ",",
        "refresh.minAgeSeconds": 18000,
    },
    "threads": {"refresh.kind": "re_exchange", "refresh.tokenParam": "access_token"},
    "tiktok": {"authorize.clientIdParam": "client_key", "token.clientIdParam": "client_key"},
    "trovo": {"use.scheme": "OAuth", "authorize.scopeSeparator": "+"},
    "twitch": {"refresh.kind": "sliding"},
    "unsplash": {"authorize.scopeSeparator": "+"},
    "untappd": {"answer.root": "response", "token.method": "GET"},
    "vk": {"callback.keep": ["device_id"]},
    "wechat": {
        "authorize.clientIdParam": "appid",
        "token.clientSecretParam": "secret",
        "answer.error": "errcode",
    },
    "withings": {
        "answer.root": "body",
        "answer.okWhen": {"status": 0},
        "token.params": {"action": "requesttoken"},
    },
    "world-id": {"token.omit": ["redirect_uri"]},
    "x": {"requiredScopes": ["tweet.read", "users.read", "offline.access"], "token.clientAuth": "basic"},
    "xero": {"refresh.kind": "rotate_grace", "refresh.graceSeconds": 1800, "refresh.idleSeconds": 5184000},
    "zendesk": {"token.params": {"expires_in": "172800", "refresh_token_expires_in": "7776000"}},
    "zoho-crm": {"use.scheme": "Zoho-oauthtoken", "callback.keep": ["location", "accounts-server"]},
    "zoom": {"token.clientAuth": "basic", "refresh.kind": "sliding"},
}
ERRORS = [
    ("github", "bad_refresh_token", None, "grant_dead"),
    ("slack", "invalid_refresh_token", None, "grant_dead"),
    ("slack", "ratelimited", None, "rate_limited"),
    ("exact-online", "unauthorized_client", 401, "grant_dead"),
    ("jira", "invalid_grant", 403, "grant_dead"),
    ("facebook", "190", None, "grant_dead"),
    ("hubspot", "BAD_REFRESH_TOKEN", None, "grant_dead"),
    ("wechat", "42002", None, "grant_dead"),
    ("withings", "601", None, "rate_limited"),
    ("zoho-crm", "invalid_code", None, "grant_dead"),
]
HEADERS = {
    "notion": "Notion-Version",
    "klaviyo": "revision",
    "github": "X-GitHub-Api-Version",
    "square": "Square-Version",
    "trakt": "trakt-api-version",
}
GOOGLE = ["gmail", "google-calendar", "google-docs", "google-drive", "google-sheets", "youtube"]
MICROSOFT = ["microsoft-entra-id", "microsoft-excel", "microsoft-teams", "onedrive", "outlook", "sharepoint"]


class TestDeviations:
    @pytest.mark.parametrize(("slug", "told"), QUIRKS.items(), ids=QUIRKS)
    def test_are_told(self, slug, told):
        oauth2 = orjson.loads(written(connectors()[slug]))["auth"]["oauth2"]
        found = {path: at(oauth2, path) for path in told}
        assert found == told

    @pytest.mark.parametrize(("slug", "error", "status", "means"), ERRORS)
    def test_say_what_follows_from_an_error(self, slug, error, status, means):
        rules = connectors()[slug].auth.oauth2.errors
        [rule] = [rule for rule in rules if error in rule.error and rule.status == status]
        assert rule.means == means

    @pytest.mark.parametrize("code", ["AADSTS700082", "AADSTS50173"])
    @pytest.mark.parametrize("slug", MICROSOFT)
    def test_of_microsoft_are_in_the_text_of_the_error(self, slug, code):
        rules = connectors()[slug].auth.oauth2.errors
        assert [rule.means for rule in rules if rule.contains == code] == ["grant_dead"]

    @pytest.mark.parametrize(("slug", "header"), HEADERS.items())
    def test_include_headers_that_the_api_wants(self, slug, header):
        assert connectors()[slug].api.headers[header]

    @pytest.mark.parametrize("slug", GOOGLE)
    def test_of_google_are_the_same_for_each_product(self, slug):
        oauth2, gmail = connectors()[slug].auth.oauth2, connectors()["gmail"].auth.oauth2
        assert (oauth2.authorize, oauth2.token, oauth2.refresh) == (
            gmail.authorize,
            gmail.token,
            gmail.refresh,
        )
        assert oauth2.scopes != gmail.scopes or slug == "gmail"

    @pytest.mark.parametrize("slug", ["github", "figma", "stripe", "notion", "zendesk", "shopify"])
    def test_leave_room_for_a_second_way_in(self, slug):
        assert len(connectors()[slug].auth.kinds) > 1
