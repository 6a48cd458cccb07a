"""The two stores: their settings, their addresses, and their jars in the cache."""

import json
import os
import zipfile
from pathlib import Path

import pytest
from youai_stack import jars, provision, users
from youai_stack.errors import StackError
from youai_stack.home import Home
from youai_stack.kafka import Kafka, properties
from youai_stack.parts import Stores
from youai_stack.services import installed


def test_properties_are_ascii_whatever_the_path() -> None:
    assert properties({"a": "友 \n", "b": "🙂"}) == "a=\\u53cb \\u000a\nb=\\ud83d\\ude42\n"
    assert properties({"a": "C:\\x"}) == "a=C:\\\\x\n"


def test_kafka_listens_on_the_loopback_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    settings = Kafka(home, tmp_path).settings()
    for name in ("listeners", "advertised.listeners", "controller.quorum.voters"):
        assert all("127.0.0.1:" in address for address in settings[name].split(","))
    assert settings["auto.create.topics.enable"] == "false"


def test_a_format_that_was_cut_short_is_cleared(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    kafka = Kafka(home, tmp_path)
    for half in ("data", "data.new"):
        (home.kafka / half).mkdir()
    kafka.prepare()
    assert not (home.kafka / "data").exists()
    assert not (home.kafka / "data.new").exists()
    (home.kafka / "data").mkdir()
    (home.kafka / "data" / "meta.properties").write_text("version=1")
    kafka.prepare()
    assert kafka.is_formatted


def test_the_environments_stores_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path / "home")
    home.create()
    monkeypatch.delenv("YOUAI_KAFKA", raising=False)
    monkeypatch.setenv("YOUAI_POSTGRES", "postgresql://admin@db/postgres")
    stores = Stores.choose(home, "embedded")
    assert stores.own_kafka
    assert (stores.own_postgres, stores.admin_dsn) == (False, "postgresql://admin@db/postgres")


def test_each_service_has_a_database_called_like_itself() -> None:
    dsns = provision.service_dsns("postgresql://postgres:pw@127.0.0.1:25432/postgres", {"catalog": "abc"})
    assert dsns == {"catalog": "postgresql://catalog:abc@127.0.0.1:25432/catalog"}


def test_an_unknown_service_is_a_sentence() -> None:
    with pytest.raises(StackError, match="youai_nonesuch is not installed"):
        installed(["nonesuch"])


def cached(cache: Path) -> Path:
    libs = jars._place(cache, jars.COORDINATE) / "libs"
    libs.mkdir(parents=True)
    with zipfile.ZipFile(libs / "kafka.jar", "w") as jar:
        jar.writestr("a", "b")
    size = (libs / "kafka.jar").stat().st_size
    (libs.parent / "jars.json").write_text(json.dumps({"jars": {"kafka.jar": size}}))
    return libs


def test_cached_jars_are_found_without_any_network(tmp_path: Path) -> None:
    libs = cached(tmp_path)
    assert jars.ensure(cache=tmp_path) == (libs, 0.0)


def test_a_jar_that_is_missing_or_cut_short_is_not_cached(tmp_path: Path) -> None:
    jar = cached(tmp_path) / "kafka.jar"
    os.truncate(jar, 5)
    assert jars.cached(tmp_path) is None
    jar.unlink()
    assert jars.cached(tmp_path) is None


def test_a_download_that_fails_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **more: object) -> None:
        raise ConnectionError("Network is unreachable\nand more")

    monkeypatch.setattr("jgo.env.EnvironmentBuilder.from_endpoint", refuse)
    with pytest.raises(StackError, match=r"\(Network is unreachable\): check the network"):
        jars.ensure(cache=tmp_path)


def test_the_cache_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOUAI_CACHE", str(tmp_path / "c"))
    assert jars.cache_folder() == tmp_path / "c"
    monkeypatch.delenv("YOUAI_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert jars.cache_folder() == tmp_path / "youai"


def test_who_we_are_may_do_what_we_may_do(tmp_path: Path) -> None:
    assert users.PLAIN.can((tmp_path, os.W_OK))
    assert not users.PLAIN.can((tmp_path / "none", os.R_OK))
