"""The account itself: who asks, what time it is, how much may run at once."""

from email.utils import parsedate_to_datetime

from deploy.doctor.findings import Findings, Stage, ok, wrong

MAX_SKEW_S = 60  # AWS refuses a signature that is off by more than 5 minutes
# A worker function's places, of four; and as many again for the API, the events and the schedules.
NEEDED_AT_ONCE = 160
QUOTA = (
    "aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384"
    " --desired-value 1000"
)


def check_clock(stage: Stage) -> Findings:
    """Compare this machine's clock with the account's."""
    answer = stage.client("sts").get_caller_identity()
    told = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()
    skew_s = round(stage.now() - told)
    if abs(skew_s) > MAX_SKEW_S:
        return [
            wrong(
                "clock",
                f"this machine's clock is {abs(skew_s)} s {'ahead' if skew_s > 0 else 'behind'}",
                "set it by NTP: signed links end early or late, and AWS refuses requests that are off by 5 minutes",
            )
        ]
    return [ok("clock")]


def check_quotas(stage: Stage) -> Findings:
    """Compare the account's concurrency with what the functions may take."""
    limit = stage.client("lambda").get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    if limit < NEEDED_AT_ONCE:
        return [
            wrong(
                "concurrency",
                f"{limit} functions may run at once; the stage may need {NEEDED_AT_ONCE}",
                QUOTA,
            )
        ]
    return [ok("concurrency", f"{limit} functions may run at once")]
