"""Gives a packaged template environments that wait for requests, if its parameter ProvisionedConcurrency says so.

Lambda provisions a published version only, so that the API has to call an alias of it. Chalice knows neither.
"""

from typing import Any

FUNCTION, ALIAS = "APIHandler", "ApiHandlerLive"
CALLED = "${APIHandler.Arn}"


def add(template: dict[str, Any], *, code_hash: str) -> None:
    """Add a version of this code, its alias and the API's way to it to the template."""
    resources = template["Resources"]
    version = (
        f"ApiHandlerVersion{code_hash[:12]}"  # a version is of one code: another code needs another name
    )
    resources[version] = {
        "Type": "AWS::Lambda::Version",
        "Condition": "HasProvisioned",
        "DeletionPolicy": "Retain",
        "Properties": {"FunctionName": {"Ref": FUNCTION}},
    }
    resources[ALIAS] = {
        "Type": "AWS::Lambda::Alias",
        "Condition": "HasProvisioned",
        "Properties": {
            "Name": "live",
            "FunctionName": {"Ref": FUNCTION},
            "FunctionVersion": {"Fn::GetAtt": [version, "Version"]},
            "ProvisionedConcurrencyConfig": {
                "ProvisionedConcurrentExecutions": {"Ref": "ProvisionedConcurrency"}
            },
        },
    }
    permission = resources["APIHandlerInvokePermission"]["Properties"]
    resources[f"{ALIAS}Permission"] = {
        "Type": "AWS::Lambda::Permission",
        "Condition": "HasProvisioned",
        "Properties": {**permission, "FunctionName": {"Ref": ALIAS}},
    }
    for methods in resources["RestAPI"]["Properties"]["DefinitionBody"]["paths"].values():
        for method in methods.values():
            integration = method["x-amazon-apigateway-integration"]
            if CALLED in str(integration.get("uri")):
                integration["uri"] = _uri(integration["uri"]["Fn::Sub"])


def _uri(uri: str) -> dict[str, Any]:
    """Return the integration's address with the alias in the function's place, if there is one."""
    called = {"Fn::If": ["HasProvisioned", {"Ref": ALIAS}, {"Fn::GetAtt": [FUNCTION, "Arn"]}]}
    return {"Fn::Sub": [uri.replace(CALLED, "${Called}"), {"Called": called}]}
