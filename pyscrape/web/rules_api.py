"""Endpoints about rules and alerts: the right shapes, and a warning that rules are not evaluated yet."""

from pyscrape.web.answers import Answer, success
from pyscrape.web.routes import Call, Mount
from pyscrape.web.services import Services

NOT_EVALUATED = "rules are not evaluated by pyscrape yet"
NOT_SENT = "alerts are not sent by pyscrape yet"


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
        return success({"groups": []}, warnings=[NOT_EVALUATED])

    def alerts(self, call: Call) -> Answer:
        return success({"alerts": []}, warnings=[NOT_EVALUATED])

    def alertmanagers(self, call: Call) -> Answer:
        return success({"activeAlertmanagers": [], "droppedAlertmanagers": []}, warnings=[NOT_SENT])
