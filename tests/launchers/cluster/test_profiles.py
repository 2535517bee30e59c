"""Profiles: what is read, what is refused, and where secrets are."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from surfalign.errors import ConfigurationError
from surfalign.files import read_secret, write_whole
from surfalign.launchers.cluster.profiles import (
    Cluster,
    DatabaseAddress,
    Engines,
    Profile,
    Queue,
    load_profile,
)

Content = dict[str, Any]


def change(content: Content, place: str, value: Any) -> Content:
    """Set an entry by its dotted place."""
    *folders, last = place.split(".")
    for folder in folders:
        content = content[folder]
    content[last] = value
    return content


def test_a_profile_names_the_queue_of_every_step(write_profile: Callable[..., Path]) -> None:
    profile = load_profile(str(write_profile("fireworks")))
    assert profile.queue_of("bulk") == profile.queue_of("training") == "small"
    assert profile.queue_of("band edges") == "large"
    by_kind = profile.model_copy(update={"steps": {"gpu": "large", "default": "small"}})
    assert by_kind.queue_of("band edges", "gpu") == "large"
    assert by_kind.queue_of("band edges") == "small"
    assert profile.queues["large"].gres == "gpu:1"
    assert profile.queues["small"].seconds == 20 * 60


def test_a_profile_is_found_by_its_name_in_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile_content: Callable[..., Content]
) -> None:
    path = tmp_path / "surfalign.yaml"
    path.write_text(yaml.safe_dump({"profiles": {"cluster": profile_content("remote")}}))
    monkeypatch.setenv("SURFALIGN_CONFIG_FILE", str(path))
    assert load_profile("cluster").launcher == "remote"
    with pytest.raises(ConfigurationError, match=r"no profile 'clutser'.*one of cluster"):
        load_profile("clutser")


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("queue", {}, r"queue: unknown key; one of name, launcher"),
        ("queues.small.partitoin", "cpu", r"queues.small.partitoin: unknown key; one of cluster"),
        ("clusters.local.workdir", "/x", r"clusters.local.workdir: unknown key"),
        ("queues.small.walltime", "4 hours", r"queues.small.walltime: a walltime is written"),
        ("queues.small.cluster", "there", r"queues.small.cluster: 'there' is not among"),
        ("queues.small.gpus", -1, r"queues.small.gpus: .*greater than or equal to 0"),
        ("steps.bulk", "medium", r"steps.bulk: 'medium' is not among the queues"),
        ("steps.bluk", "small", r"steps.bluk: unknown; one of bulk"),
        ("steps", {"bulk": "small"}, r"no queue for dielectric, .*and no 'default'"),
        ("launcher", "airflow", r"launcher: .*'local', 'fireworks', 'remote'"),
        ("clusters.local.work_directory", "work", r"work is not an absolute path"),
        ("clusters.local.host", "login", r"FireWorks does not use ssh"),
        ("database.uri", "mongodb://me:pass@host/", r"the URI holds a password"),
    ],
)
def test_mistakes_are_named(
    tmp_path: Path,
    profile_content: Callable[..., Content],
    place: str,
    value: Any,
    message: str,
) -> None:
    content = profile_content("fireworks")
    change(content, place, value)
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigurationError, match=message) as caught:
        load_profile(str(path))
    assert str(path) in caught.value.remedy
    assert "pass@host" not in str(caught.value)


def test_a_file_that_others_can_read_is_no_place_for_a_password(tmp_path: Path) -> None:
    path = tmp_path / "uri"
    write_whole(path, "mongodb://user:secret@host/\n", private=True)
    assert read_secret(path) == "mongodb://user:secret@host/"
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match=r"can be read by others \(mode 640\)"):
        read_secret(path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_secret(tmp_path / "absent")


def test_the_uri_comes_from_the_file_or_from_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile_content: Callable[..., Content]
) -> None:
    write_whole(tmp_path / "uri", "mongodb://file/", private=True)
    monkeypatch.setenv("SURFALIGN_DATABASE_URI", "mongodb://environment/")
    uris = {
        where: Profile.model_validate({"name": "p", **profile_content("remote", database)})
        .settings()
        .database_uri
        for where, database in (("file", {"uri_file": str(tmp_path / "uri")}), ("environment", {}))
    }
    for where, uri in uris.items():
        assert uri is not None
        assert uri.get_secret_value() == f"mongodb://{where}/"


def test_the_environment_of_a_job_follows_its_queue(
    profile_content: Callable[..., Content],
) -> None:
    content = profile_content("remote", engines={"gpaw": "srun -n {cores}", "vasp": "srun vasp"})
    content["queues"]["small"] |= {"tasks": 32, "nodes": 2, "memory": 100.0, "gpu_type": "a100"}
    content["queues"]["small"]["gpus"] = 4
    profile = Profile.model_validate({"name": "p", **content})
    queue = profile.queues["small"]
    environment = profile.environment(queue)
    assert environment["SURFALIGN_CORES"] == "32"
    assert environment["SURFALIGN_MEMORY_LIMIT"] == "200"
    assert environment["SURFALIGN_MPI_COMMAND"] == "srun -n {cores}"
    assert environment["ATOMATE2_VASP_CMD"] == "srun vasp"
    assert environment["PYTHONPATH"]
    assert queue.gres == "gpu:a100:4"


PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "profiles.md"
TEMPLATES = re.findall(r"```yaml\n# profile: (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.mark.parametrize(("name", "text"), TEMPLATES, ids=[name for name, _ in TEMPLATES])
def test_the_templates_of_the_documentation_are_valid(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    profile = load_profile(str(path))
    if profile.launcher != "local":
        assert profile.queue_of("bulk") in profile.queues


def test_the_page_explains_every_key() -> None:
    assert len(TEMPLATES) == 6
    text = PAGE.read_text()
    for model in (Profile, Queue, Cluster, DatabaseAddress, Engines):
        for key, field in model.model_fields.items():
            if field.description:
                assert f"| `{key}` | {field.description} |" in text, key
