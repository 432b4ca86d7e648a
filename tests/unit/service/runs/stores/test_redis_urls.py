"""URLs of stores in Redis or Valkey: what each says, and the sentence that refuses another one."""

from __future__ import annotations

import re

import pytest

from sluice.service.runs.stores.redis_urls import MAX_CONNECTIONS, TIMEOUT, RedisAddress, Topology, parse_redis_url

SINGLE, SENTINEL, CLUSTER = Topology.SINGLE, Topology.SENTINEL, Topology.CLUSTER


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://cache", RedisAddress(SINGLE, (("cache", 6379),))),
        ("valkey://127.0.0.1:7000/3", RedisAddress(SINGLE, (("127.0.0.1", 7000),), database=3)),
        ("rediss://[::1]:7000/", RedisAddress(SINGLE, (("::1", 7000),), has_tls=True)),
        ("valkeys://[::1]", RedisAddress(SINGLE, (("::1", 6379),), has_tls=True)),
        (
            "redis://ann:p%40ss%2F%3A@cache",
            RedisAddress(SINGLE, (("cache", 6379),), username="ann", password="p@ss/:"),
        ),
        ("redis://:a@b@cache", RedisAddress(SINGLE, (("cache", 6379),), password="a@b")),
        (
            "redis+sentinel://:secret@one,two:26380,[::2]:1/main%20one/2?sentinel_username=sam&sentinel_password=s%26t",
            RedisAddress(
                SENTINEL,
                (("one", 26379), ("two", 26380), ("::2", 1)),
                service="main one",
                database=2,
                password="secret",
                sentinel_options={"username": "sam", "password": "s&t"},
            ),
        ),
        ("valkeys+sentinel://one/main", RedisAddress(SENTINEL, (("one", 26379),), has_tls=True, service="main")),
        ("redis+cluster://one,two:7001", RedisAddress(CLUSTER, (("one", 6379), ("two", 7001)))),
        ("rediss+cluster://one/0", RedisAddress(CLUSTER, (("one", 6379),), has_tls=True)),
        (
            "rediss://cache?ssl_ca_certs=/etc/ca.pem&ssl_check_hostname=no&ssl_cert_reqs=none&socket_timeout=0.5"
            "&socket_connect_timeout=3&max_connections=4&client_name=sluice",
            RedisAddress(
                SINGLE,
                (("cache", 6379),),
                has_tls=True,
                timeout=0.5,
                connect_timeout=3.0,
                max_connections=4,
                options={
                    "ssl_ca_certs": "/etc/ca.pem",
                    "ssl_check_hostname": False,
                    "ssl_cert_reqs": "none",
                    "client_name": "sluice",
                },
            ),
        ),
    ],
)
def test_a_url_says_which_servers_and_how(url: str, expected: RedisAddress) -> None:
    found = parse_redis_url(url)
    assert found == expected
    assert found.options == expected.options
    assert found.sentinel_options == expected.sentinel_options


def test_a_url_without_options_has_short_times_and_few_connections() -> None:
    found = parse_redis_url("redis://cache")
    assert (found.timeout, found.connect_timeout, found.max_connections) == (TIMEOUT, TIMEOUT, MAX_CONNECTIONS)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("unix:///run/redis.sock", "begins with one of redis, redis+sentinel"),
        ("redis:/cache", "host is a name"),
        ("redis://", "host is a name"),
        ("redis://cache:port", "port from 1 to 65535"),
        ("redis://cache:70000", "port from 1 to 65535"),
        ("redis://cache:", "port from 1 to 65535"),
        ("redis://[::1", "brackets match"),
        ("redis://[::1]x", "host is a name"),
        ("redis://one,two", "several belong to"),
        ("redis://cache/runs", "database is a whole number"),
        ("redis://cache/0/1", "database is a whole number"),
        ("redis://cache#1", "without a #"),
        ("redis+sentinel://one", "names the sentinels' service"),
        ("redis+sentinel://one/main/x", "database is a whole number"),
        ("redis+cluster://one/1", "has only database 0"),
        ("redis://cache?decode_responses=1", "options are of socket_timeout"),
        ("redis://cache?password=x", "options are of socket_timeout"),
        ("redis://cache?socket_timeout=0", "socket_timeout is a number from 0.1 to 60"),
        ("redis://cache?socket_timeout=nan", "socket_timeout is a number"),
        ("redis://cache?socket_timeout=", "socket_timeout is a number"),
        ("redis://cache?max_connections=2.5", "max_connections is a whole number from 2 to 1000"),
        ("redis://cache?client_name=a&client_name=b", "client_name once"),
        ("redis://cache?ssl_cert_reqs=none", "rediss:// or valkeys:// where ssl_cert_reqs is given"),
        ("rediss://cache?ssl_cert_reqs=maybe", "ssl_cert_reqs is required or optional or none"),
        ("rediss://cache?ssl_check_hostname=maybe", "ssl_check_hostname is true or yes or 1 or false"),
        ("redis://cache?sentinel_password=x", "redis+sentinel:// where sentinel_password is given"),
    ],
)
def test_another_url_is_refused_with_what_would_be_right(url: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        parse_redis_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hunter2@cache:port",
        "redis://:hunter2/x@cache",
        "redis://:hunter2#x@cache",
        "redis://:hunter2?x@cache",
        "redis://:[hunter2@cache",
        "redis://ann:hunter2@[::1",
        "redi://:hunter2@cache",
        "redis://:hunter2@cache/x",
        "redis://:x@cache?hunter2=1",
        "redis://:x@cache?socket_timeout=hunter2",
        "rediss://:x@cache?ssl_cert_reqs=hunter2",
    ],
)
def test_a_refusal_repeats_nothing_of_the_url(url: str) -> None:
    with pytest.raises(ValueError, match=r"^\D*$|.") as refused:
        parse_redis_url(url)
    error: BaseException | None = refused.value
    while error is not None:
        assert "hunter2" not in str(error)
        error = None if error.__suppress_context__ else error.__context__


def test_an_addresss_representation_and_place_have_no_secret() -> None:
    address = parse_redis_url("rediss+sentinel://ann:hunter2@one/main?sentinel_password=hunter3&ssl_password=hunter4")
    assert "hunter" not in f"{address!r} {address} {address.place}"
    assert set(address.secrets) == {"hunter2", "hunter3", "hunter4"}
