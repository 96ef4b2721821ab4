"""`chalice deploy` into the emulator: what app.py declares is what gets delivered."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from local.base import create_base
from local.children import REPOSITORY, StartFailed
from local.deploy import deploy, make_stage_copy
from local.layout import Folders, Ports, stage_settings
from tests.support.emulated import emulated_aws

APP = """
from chalice import Chalice

app = Chalice(app_name="collections")


@app.route("/a/{name}", cors=True)
def a(name):
    return {}


@app.route("/{proxy+}", methods=["GET", "POST"])
def rest():
    return {}


@app.on_cw_event({"source": ["me"]}, name="analyzer")
def on_event(event):
    pass


@app.schedule("rate(1 minute)", name="relay")
def on_minute_passed(event):
    pass


@app.on_sqs_message(queue="collections-local-dead-letters", batch_size=10, name="dead_letters")
def on_dead_letter(event):
    pass
"""
SETTINGS = {
    "ENVIRONMENT": "local",
    "IMAGES_BUCKET": "other-bucket",
    "SESSIONS_TABLE": "sessions",
    "RATE_LIMITS_TABLE": "limits",
    "DATABASE_URL": "postgresql://a@127.0.0.1:8002/c",
}


def make_project(path: Path) -> Path:
    (path / ".chalice").mkdir(parents=True)
    config = {
        "version": "2.0",
        "app_name": "collections",
        "stages": {
            "local": {
                "environment_variables": SETTINGS,
                "lambda_functions": {
                    "analyzer": {"lambda_timeout": 77, "environment_variables": {"ONLY": "here"}}
                },
            }
        },
    }
    (path / ".chalice" / "config.json").write_text(json.dumps(config))
    (path / "app.py").write_text(APP)
    (path / "requirements.txt").write_text("not-a-package==0\n")
    return path


def test_the_declared_functions_rules_and_queues_are_deployed(tmp_path: Path) -> None:
    folders = Folders(state=tmp_path / "state", project=make_project(tmp_path / "project"))
    with emulated_aws(tmp_path) as aws:
        copy = make_stage_copy(folders, Ports(api=9000))
        assert stage_settings(copy)["DATABASE_URL"] == "postgresql://a@127.0.0.1:9002/c"
        create_base(stage_settings(copy), aws_port=aws.emulator.port)
        deploy(copy, aws_port=aws.emulator.port, log=tmp_path / "deploy.log")
        config = aws.client("lambda").get_function_configuration(FunctionName="collections-local-analyzer")
        assert (config["Timeout"], config["Handler"]) == (77, "app.on_event")
        assert config["Environment"]["Variables"]["ONLY"] == "here"
        rules = {rule["Name"]: rule for rule in aws.client("events").list_rules()["Rules"]}
        assert rules["collections-local-relay-event"]["ScheduleExpression"] == "rate(1 minute)"
        assert json.loads(rules["collections-local-analyzer-event"]["EventPattern"]) == {"source": ["me"]}
        [mapping] = aws.client("lambda").list_event_source_mappings()["EventSourceMappings"]
        assert mapping["EventSourceArn"].endswith(":000000000000:collections-local-dead-letters")
        destination = aws.client("lambda").get_function_event_invoke_config(
            FunctionName="collections-local-relay"
        )
        assert destination["DestinationConfig"]["OnFailure"]["Destination"] == mapping["EventSourceArn"]
        paths = {
            path["path"]
            for api in aws.client("apigateway").get_rest_apis()["items"]
            for path in aws.client("apigateway").get_resources(restApiId=api["id"])["items"]
        }
        assert {"/a/{name}", "/{proxy+}"} <= paths


def test_the_variables_of_dot_env_reach_the_local_stage_alone(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    (project / ".env").write_text(
        '# keys\n\nANTHROPIC_API_KEY=sk-ant=x\nexport CHAT_MODEL="claude"\nIMAGES_BUCKET=mine\n'
    )
    folders = Folders(state=tmp_path / "state", project=project)
    settings = stage_settings(make_stage_copy(folders, Ports(api=9000)))
    assert settings["ANTHROPIC_API_KEY"] == "sk-ant=x"
    assert (settings["CHAT_MODEL"], settings["IMAGES_BUCKET"]) == ("claude", "mine")
    assert not (folders.stage_copy / ".env").exists()
    (project / ".env").write_text("sk-ant-without-a-name")
    with pytest.raises(StartFailed, match=r"^\.env, line 1: must be NAME=value$"):
        make_stage_copy(folders, Ports(api=9000))


def test_no_function_and_no_program_of_a_stage_reads_dot_env(tmp_path: Path) -> None:
    """Neither a deployed function, nor the code that it shares with the local stack, looks for the file."""
    (tmp_path / ".env").write_text("LOG_LEVEL=nonsense\nDATABASE_URL=postgresql://of-dot-env/x\n")
    needed = {"DATABASE_URL": "postgresql://mine", "IMAGES_BUCKET": "b", "SESSION_SECRET": "s" * 32}
    code = "from chalicelib import wiring; print(wiring.settings().database_url, wiring.settings().log_level)"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY), **needed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.stdout.split(), ran.stderr) == (["postgresql://mine", "DEBUG"], "")
