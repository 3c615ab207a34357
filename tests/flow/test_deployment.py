"""What `prefect deploy` makes of prefect.yaml, and what the server makes of its schedule."""

import asyncio
import datetime as dt
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY_TIMEOUT_S = 240


@pytest.fixture(scope="module")
def deployment():
    (only,) = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    return only


def test_the_entrypoint_is_the_flow_and_takes_the_parameters(season, deployment, monkeypatch):
    from prefect.flows import load_flow_from_entrypoint

    monkeypatch.chdir(ROOT)
    loaded = load_flow_from_entrypoint(deployment["entrypoint"])
    assert loaded.name == season.season.name
    assert loaded.validate_parameters(deployment["parameters"])["scenes"] == [Path("scenes")]


def test_every_parameter_is_described(season):
    from prefect.utilities.callables import parameter_schema

    properties = parameter_schema(season.season).properties
    assert properties
    assert [name for name, each in properties.items() if not each.get("description")] == []


def test_the_schedule_is_once_a_year_after_the_thaw_season(season, deployment):
    from prefect.client.schemas.schedules import construct_schedule
    from prefect.server.schemas.schedules import CronSchedule

    (given,) = deployment["schedules"]
    schedule = construct_schedule(cron=given["cron"], timezone=given["timezone"])
    dates = asyncio.run(
        CronSchedule(cron=schedule.cron, timezone=schedule.timezone).get_dates(
            2, start=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
        )
    )
    assert [date.astimezone(dt.UTC).date() for date in dates] == [
        dt.date(2026, 9, 20),
        dt.date(2027, 9, 20),
    ]


def test_nothing_is_pulled_from_anywhere():
    whole = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    assert "pull" not in whole
    assert "pull" not in whole["deployments"][0]


@pytest.mark.slow
def test_the_server_makes_the_next_run_once_the_schedule_is_awake(server, tmp_path):
    """A schedule that never runs is silent: a SQLAlchemy too new did that."""
    prefect(server, "work-pool", "create", "rts-track", "--type", "process")
    prefect(server, "--no-prompt", "deploy", "--all")
    deployment, asleep = asyncio.run(deployed())
    assert deployment.pull_steps == [
        {"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}
    ]
    assert deployment.concurrency_options.collision_strategy == "ENQUEUE"
    assert asleep == []

    awake = tmp_path / "awake.yaml"
    text = (ROOT / "prefect.yaml").read_text()
    awake.write_text(text.replace("active: false", "active: true"))
    prefect(server, "--no-prompt", "deploy", "--all", "--prefect-file", str(awake))
    _, runs = asyncio.run(deployed())
    assert {(run.month, run.day, run.hour) for run in runs} == {(9, 20, 3)}


def prefect(server, *command):
    environment = {
        **os.environ,
        "PREFECT_API_URL": server,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "prefect", *command],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEPLOY_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


async def deployed():
    """The deployment, and when its runs start, once the server's scheduler has passed by."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
    from prefect.server.services.scheduler import schedule_deployments
    from prefect.settings import (
        PREFECT_SERVER_SERVICES_SCHEDULER_MAX_SCHEDULED_TIME,
        temporary_settings,
    )

    horizon = {PREFECT_SERVER_SERVICES_SCHEDULER_MAX_SCHEDULED_TIME: dt.timedelta(days=366)}
    async with get_client() as client:
        deployment = await client.read_deployment_by_name("season/yearly")
        with temporary_settings(horizon):
            await schedule_deployments()
        runs = await client.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id]))
        )
    return deployment, [run.expected_start_time for run in runs if run.state.is_scheduled()]
