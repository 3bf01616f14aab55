"""What a configuration can say about storage."""

from pyscrape.model.duration import Duration
from pyscrape.model.kinds import DURATION, FLOAT, SIZE, EnumKind, IntKind
from pyscrape.model.names import quoted
from pyscrape.model.settings import Section, SectionKind, Settings, setting


class RetentionConfig(Settings, go_type="config.TSDBRetentionConfig"):
    """How much is kept."""

    time: Duration = setting(DURATION, "How long samples are kept.")
    size: int = setting(SIZE, "How many bytes are kept.")
    percentage: float = setting(FLOAT, "How much of the disk is used at most, 0 to 100.")

    @classmethod
    def finish(cls, section: Section) -> None:
        if not 0 <= section["percentage"] <= 100:
            section.error("'storage.tsdb.retention.percentage' must be in the range [0, 100]", "percentage")


class ChunkEncodingConfig(Settings, go_type="config.ChunkEncodingConfig"):
    """How samples are compressed."""

    floats: str = setting(
        EnumKind(
            ("xor", "xor2"),
            lambda text: (
                "'storage.tsdb.chunk_encoding.floats' must be 'xor' or 'xor2', or the field must be omitted"
                f" entirely, got {quoted(text)}"
            ),
        ),
        "xor or xor2; has no meaning here.",
    )


class TSDBConfig(Settings, go_type="config.plain"):
    """The time series database."""

    out_of_order_time_window: Duration = setting(DURATION, "How old a sample may be that comes out of order.")
    stale_series_compaction_threshold: float = setting(
        FLOAT, "Share of stale series that starts a compaction, 0 to 1."
    )
    retention: RetentionConfig | None = setting(
        SectionKind(RetentionConfig, optional=True), "How much is kept."
    )
    chunk_encoding: ChunkEncodingConfig | None = setting(
        SectionKind(ChunkEncodingConfig, optional=True), "How samples are compressed."
    )

    @classmethod
    def finish(cls, section: Section) -> None:
        if not 0 <= section["stale_series_compaction_threshold"] <= 1:
            section.add(
                "warning",
                "out-of-range",
                "stale_series_compaction_threshold is a share, from 0 to 1",
                "stale_series_compaction_threshold",
            )


class ExemplarsConfig(Settings, go_type="config.ExemplarsConfig"):
    """Exemplars that are kept."""

    max_exemplars: int = setting(
        IntKind(wide=True), "How many exemplars are kept in all; 0 is none.", default=100_000
    )


class StorageConfig(Settings, go_type="config.StorageConfig"):
    """Storage."""

    tsdb: TSDBConfig | None = setting(SectionKind(TSDBConfig, optional=True), "The time series database.")
    exemplars: ExemplarsConfig | None = setting(SectionKind(ExemplarsConfig, optional=True), "Exemplars.")
