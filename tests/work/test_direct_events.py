"""A stage whose bucket calls its function itself: S3_EVENTS=direct."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from chalice.config import Config
from chalice.deploy.appgraph import ApplicationGraphBuilder
from chalice.deploy.models import Application, S3BucketNotification
from chalice.test import TestEventsClient as EventsClient

from deploy import policies
from tests.support.emulated import BUCKET
from tests.support.world import World, context, jpeg

APP = Path(__file__).parents[2] / "app.py"


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return app.py as Chalice loads it for such a stage."""
    monkeypatch.setenv("S3_EVENTS", "direct")
    monkeypatch.setenv("IMAGES_BUCKET", BUCKET)
    spec = importlib.util.spec_from_file_location("direct_app", APP)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def notify(direct: Any, key: str, bucket: str = BUCKET) -> None:
    """Call the function as S3 does, with a key as S3 writes it."""
    direct.on_object_created(EventsClient(direct.app).generate_s3_event(bucket, key), context())


def test_an_object_of_the_bucket_is_processed_once(world: World, direct: Any) -> None:
    world.put("alice/red apple+1.jpg", jpeg())
    notify(direct, "alice/red+apple%2B1.jpg")
    notify(direct, "alice/red+apple%2B1.jpg")
    world.run()
    assert world.item("red apple+1")["status"] == "READY"
    assert world.sql("SELECT count(*) FROM items") == [(1,)]


def test_derived_files_start_nothing_and_another_bucket_is_refused(world: World, direct: Any) -> None:
    notify(direct, "_derived/alice/a.webp")
    assert world.sql("SELECT count(*) FROM failures") == [(0,)]
    notify(direct, "alice/a.jpg", bucket="somebody-elses")
    ((message,),) = world.sql("SELECT last_error FROM failures")
    assert BUCKET in message
    assert world.sql("SELECT count(*) FROM items") == [(0,)]


def test_chalice_has_the_bucket_call_the_function(direct: Any) -> None:
    config = Config(
        chalice_stage="dev",
        user_provided_params={"chalice_app": direct.app, "project_dir": str(APP.parent)},
        config_from_disk={
            "app_name": "collections",
            "stages": {
                "dev": {
                    "iam_policy_file": "policy-dispatcher-dev.json",
                    "autogen_policy": False,
                }
            },
        },
    )
    built: Application = ApplicationGraphBuilder().build(config, stage_name="dev")
    (found,) = [each for each in built.resources if isinstance(each, S3BucketNotification)]
    assert (found.bucket, found.events) == (BUCKET, ["s3:ObjectCreated:*"])
    assert found.lambda_function.function_name == "collections-dev-arrivals"


def test_its_policies_reach_the_named_bucket_only(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = policies.CONFIG["stages"]["dev"]["environment_variables"]
    assert "policy-arrivals-dev.json" not in policies.files()
    monkeypatch.setitem(variables, "IMAGES_BUCKET", "my-photos")
    monkeypatch.setitem(variables, "S3_EVENTS", "direct")
    assert "policy-arrivals-dev.json" in policies.files()
    buckets = {
        resource.partition("/")[0]
        for function in policies.functions_of("dev")
        for statement in policies.policy(function, "dev")["Statement"]
        for resource in statement["Resource"]
        if resource.startswith("arn:aws:s3:::")
    }
    assert buckets == {"arn:aws:s3:::my-photos"}
    (queue,) = [each for each in policies.policy("arrivals", "dev")["Statement"] if each["Sid"] == "Queue"]
    assert "sqs:SendMessage" in queue["Action"]
