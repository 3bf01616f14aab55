"""What to say about a label that a job's discoveries do not give; imported when there is one."""

from pyscrape.config.lint.subjects import Chain, Finding, Link
from pyscrape.discovery.meta_labels import kubernetes_labels
from pyscrape.discovery.settings import ROLES, AttachMetadata, KubernetesSDConfig
from pyscrape.model.problems import nearest


def attachment(chain: Chain, label: str) -> str:
    """The field of attach_metadata that would bring the label, or ""."""
    for config in chain.owner.kubernetes_sd_configs if chain.owner is not None else ():
        for name in AttachMetadata.settings:
            attached = config.replace(attach_metadata=config.attach_metadata.replace(**{name: True}))
            if _gives(attached, label):
                return name
    return ""


def other_roles(chain: Chain, label: str) -> list[str]:
    """The roles of Kubernetes that would give the label which the job's role does not."""
    for config in chain.owner.kubernetes_sd_configs if chain.owner is not None else ():
        return [role for role in ROLES if _gives(config.replace(role=role), label)]
    return []


def _gives(config: KubernetesSDConfig, label: str) -> bool:
    names, families = kubernetes_labels(config)
    return label in names or any(label.startswith(family) and label != family for family in families)


def unknown(link: Link, message: str, label: str, examples: list[str], item: int = -1) -> Finding:
    """A finding about a label that is not among `examples`, with the one that was probably meant."""
    meant = _meant(label, examples)
    suggestion = f", did you mean `{meant}`?" if meant else ""
    hint = (
        f"did you mean `{meant}`?"
        if meant
        else "look at the labels of the discovery: pyscrape sd CONFIG --job JOB"
    )
    return Finding(link.section, message + suggestion, "regex" if item < 0 else "source_labels", hint, item)


def _meant(label: str, examples: list[str]) -> str:
    bare = label.strip("_")
    for example in examples:
        if example.strip("_") == bare:
            return example
    # A family ends in a name of the user's: compare its fixed part and keep the ending.
    for example in (example for example in examples if example.endswith("_x")):
        family = example[:-1]
        cut = label[: len(family)]
        # What all labels of the discovery begin with says nothing.
        same = max(length for length in range(len(cut) + 1) if family.startswith(cut[:length]))
        shared = cut[:same].rfind("_") + 1
        if len(label) > len(family) and nearest(cut[shared:], [family[shared:]]):
            return family + label[len(family) :]
    return nearest(label, examples)
