"""Patches moto's change sets, for the rehearsal. moto 5.2.5 applies one without its conditions, and forgets outputs."""

from moto.cloudformation.models import ChangeSet


def install() -> None:
    setattr(ChangeSet, "apply", _apply)  # noqa: B010  mypy would have the method's own type


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
