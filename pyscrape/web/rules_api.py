"""Endpoints about rules and alerts: the right shapes, and a warning that rules are not evaluated yet."""

from pyscrape.web.answers import Answer, ApiError, success
from pyscrape.web.params import Params, go_int
from pyscrape.web.routes import Call, Mount
from pyscrape.web.series_api import any_matcher_sets
from pyscrape.web.services import Services

NOT_EVALUATED = "rules are not evaluated by pyscrape yet"
NOT_SENT = "alerts are not sent by pyscrape yet"


def _check(params: Params) -> None:
    """Refuse what cannot be asked of /rules, as it will be refused once there are rules.

    Raises:
        ApiError: a parameter is none.
    """
    kind = params.first("type").lower()
    if kind not in {"", "alert", "record"}:
        raise ApiError.parameter("type", f'not supported value "{kind}"')
    any_matcher_sets(params)
    params.boolean("exclude_alerts", "error converting exclude_alerts")
    limit = params.first("group_limit")
    if limit:
        try:
            count = go_int(limit)
        except ValueError as error:
            reason = f'group_limit needs to be a valid number: strconv.ParseInt: parsing "{limit}": {error}'
            raise ApiError.parameter("group_limit", reason) from error
        if count <= 0:
            raise ApiError.parameter("group_limit", "group_limit needs to be greater than 0")
    elif params.first("group_next_token"):
        raise ApiError.parameter(
            "group_next_token", "group_limit needs to be present in order to paginate over the groups"
        )


class RulesApi:
    def __init__(self, services: Services) -> None:
        self._services = services

    def mounts(self) -> list[Mount]:
        return [
            Mount("/api/v1/rules", self.rules),
            Mount("/api/v1/alerts", self.alerts),
            Mount("/api/v1/alertmanagers", self.alertmanagers),
        ]

    def rules(self, call: Call) -> Answer:
        _check(call.params)
        return success({"groups": []}, warnings=[NOT_EVALUATED])

    def alerts(self, call: Call) -> Answer:
        return success({"alerts": []}, warnings=[NOT_EVALUATED])

    def alertmanagers(self, call: Call) -> Answer:
        return success({"activeAlertmanagers": [], "droppedAlertmanagers": []}, warnings=[NOT_SENT])
