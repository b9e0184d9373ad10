"""Rules for addresses: what cookies need, and which databases can be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.config.urls import CookieRules, UrlRefused, cookie_rules, database_url, plain_url


def test_https_has_host_cookies() -> None:
    assert cookie_rules("https://desk.example.com") == CookieRules(prefix="__Host-", secure=True)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000",
        "http://127.8.9.1",
        "http://localhost:8000",
        "http://LOCALHOST",
        "http://desk.localhost",
        "http://[::1]:8000",
    ],
)
def test_http_on_loopback_has_plain_cookies_and_no_warning(url: str) -> None:
    assert cookie_rules(url) == CookieRules(prefix="", secure=False)


@pytest.mark.parametrize(
    "url",
    [
        "http://desk.example.com",
        "http://0.0.0.0:8000",
        "http://10.0.0.1",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://notlocalhost",
    ],
)
def test_other_http_is_warned_of(url: str) -> None:
    rules = cookie_rules(url)
    assert (rules.prefix, rules.secure) == ("", False)
    assert "unencrypted" in rules.warning


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("https://desk.example.com/", "https://desk.example.com"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("https://desk.example.com:8443", "https://desk.example.com:8443"),
    ],
)
def test_an_address_loses_its_final_slash(url: str, plain: str) -> None:
    assert plain_url(url) == plain


@pytest.mark.parametrize("url", ["https://h#x", "https://@h", "https://h:0", "https://h\n", "//h"])
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(UrlRefused):
        plain_url(url)


@pytest.mark.parametrize(
    ("url", "absolute"),
    [
        ("sqlite:///var/x.db", "sqlite:////srv/desk/var/x.db"),
        ("sqlite:////data/x.db", "sqlite:////data/x.db"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        ("postgresql+psycopg://u@h/d", "postgresql+psycopg://u@h/d"),
    ],
)
def test_databases(url: str, absolute: str) -> None:
    assert database_url(url, Path("/srv/desk")) == absolute


@pytest.mark.parametrize(
    "url", ["sqlite:///", "sqlite:///?mode=memory", "sqlite:x.db", "", "x", "postgresql://[::1"]
)
def test_databases_that_are_refused(url: str) -> None:
    with pytest.raises(UrlRefused) as caught:
        database_url(url, Path("/srv/desk"))
    assert caught.value.hint
