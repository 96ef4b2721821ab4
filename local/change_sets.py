"""Patches moto's CloudFormation, for the rehearsal.

moto 5.2.5 applies a change set without its conditions and forgets outputs, cannot expand SAM, makes an API without its
paths, and does not delete it.
"""

import json
from typing import Any

from moto.apigateway.models import RestAPI, apigateway_backends
from moto.cloudformation.models import ChangeSet, CloudFormationBackend

from local.sam import MACRO, expand

_create_change_set = CloudFormationBackend.create_change_set


def install() -> None:
    # By setattr, as mypy would have the methods' own types.
    setattr(ChangeSet, "apply", _apply)  # noqa: B010
    setattr(CloudFormationBackend, "create_change_set", _created)  # noqa: B010
    setattr(RestAPI, "create_from_cloudformation_json", classmethod(_api))  # noqa: B010
    setattr(RestAPI, "delete", _delete_api)  # noqa: B010


def _apply(change_set: ChangeSet) -> None:
    """Make or update the stack as CreateStack and UpdateStack would."""
    stack = change_set.stack
    if change_set.change_set_type == "UPDATE":
        stack.update(change_set.template, parameters=change_set.parameters)
        return
    stack.template = change_set.template
    stack._parse_template()
    stack.parameters = change_set.parameters
    stack.resource_map = stack._create_resource_map()
    stack.resource_map.create(stack.template_dict)
    stack.output_map = stack._create_output_map()


def _created(
    backend: CloudFormationBackend, *, template: str, parameters: dict[str, str], **more: Any
) -> Any:
    """Make a change set of the expanded template."""
    if MACRO in template:
        template = json.dumps(expand(json.loads(template), parameters))
    return _create_change_set(backend, template=template, parameters=parameters, **more)


def _api(
    cls: type, /, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
) -> RestAPI:
    """Make an API with the paths of its body, and with the body's title as its name."""
    body = cloudformation_json["Properties"]["Body"]
    return apigateway_backends[account_id][region_name].import_rest_api(body, fail_on_warnings=False)


def _delete_api(api: RestAPI, account_id: str, region: str) -> None:
    apigateway_backends[account_id][region].delete_rest_api(api.id)
