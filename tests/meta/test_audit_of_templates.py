"""`make audit` fails for a finding that nobody accepted, and for an acceptance of a finding that is gone."""

from deploy.audit import ACCEPTED, told


def finding(check: str) -> dict[str, str]:
    return {"file_path": "/base.yaml", "check_id": check, "check_name": "a rule", "resource": "Images"}


def test_findings_that_are_accepted_are_not_told() -> None:
    assert told([finding(check) for check in ACCEPTED]) == ""


def test_an_acceptance_whose_finding_has_gone_is_told() -> None:
    gone, *there = ACCEPTED
    assert told([finding(check) for check in there]) == f"{gone} is accepted and not found: take it out"


def test_a_finding_that_nobody_has_accepted_is_told() -> None:
    found = [finding(check) for check in (*ACCEPTED, "CKV_AWS_0")]
    assert told(found) == "/base.yaml: CKV_AWS_0 a rule: Images"
