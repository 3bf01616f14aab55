"""Lists of target groups, as file_sd and http_sd have them, checked with their places."""

from collections.abc import Mapping

from pyscrape.model.kinds import LABEL_SET, TEXTS, ListKind
from pyscrape.model.names import quoted
from pyscrape.model.problems import Problem
from pyscrape.model.settings import Decoder, Section, SectionKind, Settings, Spot, setting
from pyscrape.model.yaml_nodes import Node


class TargetEntry(Settings, go_type="struct { Targets []string; Labels model.LabelSet }"):
    """A group of a target list."""

    targets: tuple[str, ...] = setting(TEXTS, "Addresses, host:port.", always=True)
    labels: Mapping[str, str] = setting(LABEL_SET, "Labels of all these targets.")

    @classmethod
    def finish(cls, section: Section) -> None:
        node = section.nodes.get("targets")
        for index, address in enumerate(section["targets"]):
            if "/" in address and node is not None and node.kind == "list":
                section.decoder.add(
                    "warning",
                    "url-target",
                    f"{quoted(address)} is not a valid hostname unless relabeling changes it",
                    node.items[index],
                    (*section.path, "targets", index),
                    hint="the scheme belongs into __scheme__, the path into __metrics_path__",
                )


TARGET_LIST = ListKind(SectionKind(TargetEntry), null_item="nil target group item found")


def check_targets(root: Node, text_size: int, filename: str) -> list[Problem]:
    """Problems of a target list; its parsed document is at `root`."""
    decoder = Decoder(file=filename, text_size=text_size)
    if not root.is_null:
        TARGET_LIST.decode(Spot(decoder, root, ()))
    return decoder.problems
