"""The Azure template and the workflows: they set what the site reads, and leave nothing open."""

import functools
import re
import subprocess
import sys
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pycep
import pytest
import yaml

from webapp import serving
from webapp.running import KEPT_FOR
from webapp.settings import Settings, SettingsError, read_settings
from webapp.storage import open_storage

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = (ROOT / "infra" / "main.bicep").read_text()
DEPLOY = (ROOT / "docs" / "deploy.md").read_text()
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SECRETS = ("secretKey", "apiKeys", "rateStore")
BLOB_DATA_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
OWN_DEFAULT = {"SER_STORAGE", "AZURE_STORAGE_ACCOUNT_URL", "SER_LOG_FORMAT"}
"""Settings that the template gives another value than the site's own default."""


@functools.cache
def template() -> dict[str, Any]:
    return pycep.BicepParser().parse(text=TEMPLATE)


def resource(name: str) -> dict[str, Any]:
    """Give what a resource is made of, without its condition or loop."""
    config = template()["resources"][name]["config"]
    return config.get("config", config)


def of_type(kind: str) -> list[str]:
    return [name for name, one in template()["resources"].items() if one["type"] == kind]


def variable(name: str) -> Any:
    return template()["variables"][name]["value"]


def app_settings() -> dict[str, Any]:
    return variable("settings")


def parameter_of(value: Any) -> str | None:
    """Name the parameter that an app setting takes, as it is or as `string(parameter)`."""
    if isinstance(value, dict) and value.get("function", {}).get("type") == "string":
        value = value["function"]["parameters"]["value_to_convert"]
    return value if isinstance(value, str) and value in template()["parameters"] else None


def decorator(parameter: str, kind: str) -> Any:
    found = template()["parameters"][parameter]["decorators"]
    return next((one.get("argument", True) for one in found if one["type"] == kind), None)


def rows(heading: str) -> dict[str, str]:
    """Read a table of docs/deploy.md: name in its first column -> reason."""
    section = DEPLOY.split(f"### {heading}\n")[1].split("\n#")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", section, re.MULTILINE))


ENVS = {field.metadata["env"]: field for field in fields(Settings)}


def test_every_setting_is_set_in_the_cloud_or_left_out_for_a_reason():
    left_out = rows("Settings that the template leaves alone")
    assert set(ENVS) - set(app_settings()) == set(left_out)
    assert all(left_out.values())


def test_every_app_setting_is_the_sites_or_the_platforms():
    assert set(app_settings()) - set(ENVS) == set(rows("Settings of the platform"))


def test_parameters_have_the_defaults_of_the_site():
    compared = 0
    for env, value in app_settings().items():
        parameter = parameter_of(value)
        default = template()["parameters"].get(parameter, {}).get("default")
        if env in ENVS and env not in OWN_DEFAULT and default not in (None, ""):
            assert str(default) == str(ENVS[env].default), env
            compared += 1
    assert compared >= 7


def test_numbers_that_the_template_admits_are_those_that_the_site_takes():
    compared = 0
    for env, value in app_settings().items():
        parameter = parameter_of(value)
        if parameter and decorator(parameter, "max_value"):
            low, high = decorator(parameter, "min_value"), decorator(parameter, "max_value")
            for number in (low, high):
                read_settings({env: str(number)}, ROOT / "none")
            for number in (low - 1, high + 1):
                with pytest.raises(SettingsError):
                    read_settings({env: str(number)}, ROOT / "none")
            compared += 1
    assert compared == 6


def test_the_site_starts_with_what_the_template_sets():
    given = {
        "SECRET_KEY": "s" * decorator("secretKey", "min_length"),
        "AZURE_STORAGE_ACCOUNT_URL": "https://undertone0.blob.core.windows.net",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=" + "0" * 36,
    }
    for env in set(app_settings()) & set(ENVS) - set(given):
        value = app_settings()[env]
        parameter = parameter_of(value)
        given[env] = str(template()["parameters"][parameter]["default"] if parameter else value)
    settings = read_settings(given, ROOT / "none")
    assert settings.storage == "azure" and settings.log_format == "json"
    assert settings.azure_account_url and not settings.azure_connection_string


def test_the_containers_are_those_that_the_site_uses():
    settings = Settings(
        storage="azure", secret_key="s" * 16, azure_account_url="https://a.blob.core.windows.net"
    )
    kinds = ("analyses", "challenge", "contributions", "running")
    used = {open_storage(settings, kind)._settings.container for kind in kinds}
    suffixes = template()["resources"]["containers"]["config"]["loop_type"]["detail"]["array_name"]
    assert {settings.container + suffix for suffix in suffixes} == used
    assert resource("containers")["name"] == "${container}${suffix}"
    assert resource("containers")["properties"] == {"publicAccess": "None"}


def test_nobody_but_the_site_reaches_the_storage_account():
    properties = resource("storage")["properties"]
    assert properties["allowBlobPublicAccess"] is False
    assert properties["allowSharedKeyAccess"] is False
    assert properties["minimumTlsVersion"] == "TLS1_2"
    assert properties["supportsHttpsTrafficOnly"] is True
    access = properties["networkAcls"]
    assert (access["defaultAction"], access["bypass"], access["ipRules"]) == ("Deny", "None", [])
    assert len(access["virtualNetworkRules"]) == 1
    (subnet,) = resource("network")["properties"]["subnets"]
    assert subnet["properties"]["serviceEndpoints"] == [{"service": "Microsoft.Storage"}]
    site = variable("siteProperties")["virtualNetworkSubnetId"]
    assert site == access["virtualNetworkRules"][0]["id"], "the site's own subnet"


def test_what_is_deleted_is_gone():
    properties = resource("blobs")["properties"]
    for policy in ("deleteRetentionPolicy", "containerDeleteRetentionPolicy", "restorePolicy"):
        assert properties[policy] == {"enabled": False}
    assert properties["isVersioningEnabled"] is False
    assert properties["changeFeed"] == {"enabled": False}


def test_the_account_deletes_analyses_by_itself_after_the_same_time_as_the_site():
    rules = {rule["name"]: rule for rule in resource("lifecycle")["properties"]["policy"]["rules"]}
    days = {}
    for name, rule in rules.items():
        assert rule["enabled"] is True
        (days[name],) = rule["definition"]["actions"]["baseBlob"]["delete"].values()
        assert set(rule["definition"]["actions"]["baseBlob"]["delete"]) == {
            "daysAfterCreationGreaterThan"
        }
    assert days == {"analyses": "retentionDays", "running": 1}
    assert parameter_of(app_settings()["SER_RETENTION_DAYS"]) == "retentionDays"
    # The slash keeps the rule from contributions, which have no day.
    kept = ["${container}/", "${container}-challenge/"]
    assert rules["analyses"]["definition"]["filters"]["prefixMatch"] == kept
    assert rules["running"]["definition"]["filters"]["prefixMatch"] == ["${container}-running/"]
    assert timedelta(days=days["running"]) >= KEPT_FOR, "the site itself forgets them before"


def test_the_site_has_one_identity_with_one_role_on_the_account_alone():
    (assignment,) = of_type("Microsoft.Authorization/roleAssignments")
    assert resource(assignment)["scope"] == "storage"
    assert variable("blobDataContributor") == BLOB_DATA_CONTRIBUTOR
    assert "roleDefinitions', blobDataContributor)" in TEMPLATE
    for name in ("site", "slot"):
        assert resource(name)["identity"]["type"] == "UserAssigned"
        assert len(resource(name)["identity"]["userAssignedIdentities"]) == 1


def test_site_and_slot_are_alike():
    assert resource("site")["properties"] == resource("slot")["properties"] == "siteProperties"
    assert resource("siteSettings")["properties"] == "settings"
    assert resource("slotSettings")["properties"] == "settings"
    assert resource("siteSettings")["name"] == resource("slotSettings")["name"] == "appsettings"
    for name in ("siteFtp", "siteScm", "slotFtp", "slotScm"):
        assert resource(name)["properties"] == {"allow": False}


def test_the_site_is_served_over_https_by_startup_sh_and_watched_at_health():
    properties = variable("siteProperties")
    config = properties["siteConfig"]
    assert properties["httpsOnly"] is True
    assert config["minTlsVersion"] == config["scmMinTlsVersion"] == "1.2"
    assert config["ftpsState"] == "Disabled" and config["http20Enabled"] is True
    assert config["healthCheckPath"] == "/health"
    assert app_settings()["WEBSITE_SWAP_WARMUP_PING_PATH"] == "/health"
    assert config["appCommandLine"].split()[-1] == "startup.sh" and (ROOT / "startup.sh").exists()
    assert re.fullmatch(r"PYTHON\|3\.1[123]", config["linuxFxVersion"])


def test_the_platforms_logs_hold_no_addresses():
    config = variable("siteProperties")["siteConfig"]
    for log in ("httpLoggingEnabled", "detailedErrorLoggingEnabled", "requestTracingEnabled"):
        assert config[log] is False
    assert app_settings()["ApplicationInsightsAgent_EXTENSION_VERSION"] == "disabled"
    assert resource("insights")["properties"]["DisableIpMasking"] is False


def test_the_build_takes_the_list_that_is_there_and_tries_a_sample():
    assert (ROOT / app_settings()["CUSTOM_REQUIREMENTSTXT_PATH"]).exists()
    sample = app_settings()["POST_BUILD_COMMAND"].removeprefix("python -m ml predict ")
    assert (ROOT / sample).is_file()


def test_a_graceful_stop_fits_into_what_the_platform_allows():
    limit_s = int(app_settings()["WEBSITES_CONTAINER_STOP_TIME_LIMIT"])
    assert serving.graceful_timeout < limit_s <= 120


def test_no_secret_is_written_down_or_put_out():
    for parameter in SECRETS:
        assert decorator(parameter, "secure")
        assert not template()["parameters"][parameter]["default"]
    parameters = (ROOT / "infra" / "main.bicepparam").read_text()
    assert "param secretKey = readEnvironmentVariable('SECRET_KEY')" in parameters
    for text in (TEMPLATE, parameters):
        assert not re.search(r"listKeys|AccountKey=|SharedAccess|'[\w+/]{32,}={0,2}'", text)
    assert not any(secret in str(template()["outputs"]) for secret in SECRETS)


def test_workflows_fit_their_schema():
    command = [Path(sys.executable).with_name("check-jsonschema"), *WORKFLOWS]
    passes("--builtin-schema", "vendor.github-workflows", command=command)


def test_workflows_are_safe_by_zizmor():
    command = [Path(sys.executable).with_name("zizmor"), *WORKFLOWS]
    passes("--offline", "--no-progress", "--persona", "pedantic", command=command)


def passes(*options: str, command: list[Path]) -> None:
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def steps(name: str) -> list[dict[str, Any]]:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_workflows_use_no_action_of_others_and_no_secret():
    for path in WORKFLOWS:
        assert "secrets." not in path.read_text()
        if path.name != "docs.yml":
            assert all("uses" not in step for step in steps(path.name))


def test_the_documentation_is_published_from_main_alone_by_actions_that_stay_as_they_are():
    text = (ROOT / ".github" / "workflows" / "docs.yml").read_text()
    used = re.findall(r"uses: (\S+)@([0-9a-f]{40}) # v[\d.]+$", text, re.MULTILINE)
    assert [name for name, _commit in used] == [
        "actions/upload-pages-artifact",
        "actions/deploy-pages",
    ]
    assert text.count("uses:") == len(used)
    jobs = yaml.safe_load(text)["jobs"]
    assert jobs["build"]["if"] == "github.ref == 'refs/heads/main'"
    assert jobs["build"]["permissions"] == {"contents": "read"}
    assert jobs["publish"]["needs"] == "build"
    assert jobs["publish"]["permissions"] == {"pages": "write", "id-token": "write"}
    built = next(step for step in steps("docs.yml") if step.get("with", {}).get("path"))
    assert built["with"]["path"] == "build/site"


def test_ci_runs_what_developers_run():
    assert steps("ci.yml")[-1]["run"] == ".ci/run"


def test_deployment_checks_the_slot_before_it_swaps():
    commands = [step["run"] for step in steps("deploy.yml")]
    order = ("make package", "--federated-token", "--slot staging", "healthy.sh", "slot swap")
    places = [next(n for n, run in enumerate(commands) if part in run) for part in order]
    assert places == sorted(places) and len(set(places)) == len(places)
    assert resource("slot")["name"] == "staging"
    script = ROOT / "infra" / "healthy.sh"
    assert script.stat().st_mode & 0o111 and "/health" in script.read_text()
