"""Settings of the transform service."""

from pydantic import Field

from tidemill_runtime.settings import StorageSettings

# `DirectRunner` would try Prism first, a binary that it downloads; this names the runner behind it.
IN_MEMORY = ("--runner=FnApiRunner", "--direct_running_mode=in_memory", "--direct_num_workers=1")


class Settings(StorageSettings):
    """Read once, in `main`."""

    warehouse_url: str = Field(
        default="parquet:",
        pattern=r"^(parquet:|bigquery://[^/]+/\w+(\?.*)?)$",
        description="The warehouse: `parquet:` in the bucket, or `bigquery://PROJECT/DATASET` with "
        "`?location=` and `&policy_tag=`, the tag of restricted columns.",
    )
    beam_options: tuple[str, ...] = Field(
        default=IN_MEMORY, description="Apache Beam pipeline options: runner, project, region, workers."
    )
