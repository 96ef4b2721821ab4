"""The settings: in Parameter Store, readable, and such as the app accepts."""

from chalicelib.settings import InvalidSetting, Settings
from deploy import settings
from deploy.doctor.findings import Findings, Stage, ok, wrong
from deploy.policies import REFERENCE, environment, operators_prefix, parameter_prefix
from deploy.script import parameters

NEEDED = ("DATABASE_URL", "IMAGES_BUCKET", "SESSION_SECRET")


def check_settings(stage: Stage) -> Findings:
    """Look for what is not set, and for what the app refuses. Values are not shown."""
    if stage.is_local:
        return []
    ssm, path = stage.client("ssm"), parameter_prefix(stage.name)
    found, owners = parameters(ssm, path), parameters(ssm, operators_prefix(stage.name))
    findings = [
        wrong(f"setting {name}", f"{path}/{name} is not set", stage.deploy)
        for name in NEEDED
        if name not in found
    ]
    if "MIGRATION_DATABASE_URL" not in owners:
        mend = f"deploy/update-parameters.sh --stage {stage.name}"
        findings.append(wrong("setting MIGRATION_DATABASE_URL", "the owner's URL is not set", mend))
    references = {name: value for name, value in found.items() if value.startswith(REFERENCE)}
    for name, value in references.items():
        try:
            found[name] = ssm.get_parameter(Name=value, WithDecryption=True)["Parameter"]["Value"]
        except ssm.exceptions.ParameterNotFound:
            mend = f"aws secretsmanager create-secret --name {value.removeprefix(REFERENCE + '/')}"
            findings.append(
                wrong(f"setting {name}", f"it refers to a secret that is not there: {value}", mend)
            )
            del found[name]
    try:
        Settings.from_env({**settings.PLACEHOLDERS, **found, **environment(stage.name)})
    except InvalidSetting as error:
        name = str(error).partition(":")[0]
        mend = f"deploy/update-parameters.sh --stage {stage.name} --set {name}=…"
        findings.append(wrong(f"setting {name}", f"the app refuses it: {error}", mend))
    return findings or [ok("settings", f"{len(found)} under {path}")]
