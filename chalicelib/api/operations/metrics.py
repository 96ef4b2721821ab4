"""Metrics for Prometheus, everywhere but in production: there CloudWatch has them."""

from chalicelib import wiring
from chalicelib.api.http.routes import Request, Routes
from chalicelib.errors import NotFound
from chalicelib.metrics import process, prometheus
from chalicelib.ops.operations import measure

routes = Routes("health")


@routes.get(
    "/metrics",
    returns=prometheus.MEDIA_TYPE,
    errors=(NotFound,),
    public=True,
    summary="Metrics in Prometheus' text format: how much work waits, and what this process has done.",
)
def get_metrics(request: Request) -> str:
    if wiring.settings().environment == "production":
        raise NotFound("There is nothing here.")
    return prometheus.render(measure.measure_work(db=wiring.database()), process.totals())
