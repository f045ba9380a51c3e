"""What a workload asks of each part, as rates: the formulas of the plan."""

from dataclasses import dataclass
from functools import cached_property

from tidemill_gateway.recording.prediction_log import FILE_ROWS
from tidemill_scale import guessed, measured
from tidemill_scale.workload import DAY_SECONDS, Workload

GATEWAY_TARGET = 0.6


@dataclass(frozen=True)
class Demand:
    """Rates are a second unless the name says otherwise."""

    workload: Workload

    @property
    def gateway_cores(self) -> float:
        """Busy cores of gateways, where no two requests share a call."""
        return self.workload.predictions_per_second * sum(measured.GATEWAY_SECONDS)

    @property
    def model_cores(self) -> float:
        """Busy cores of model servers, where no two requests share a call."""
        return self.workload.predictions_per_second * sum(measured.MODEL_SECONDS)

    @cached_property
    def gateways(self) -> int:
        """Gateway processes, one core each, busy for GATEWAY_TARGET of the time; never fewer than two."""
        return max(2, -int(-self.gateway_cores // GATEWAY_TARGET))

    @property
    def log_rows(self) -> float:
        load = self.workload
        return load.predictions_per_second * load.rows_per_request * load.log_share

    @property
    def log_files(self) -> float:
        """A gateway has a file open for each model, and closes it after some seconds, or when it is full."""
        writers = self.gateways * self.workload.pipelines
        rows = self.log_rows / writers
        requests, seconds = rows / self.workload.rows_per_request, self.workload.log_file_seconds
        return writers * max(requests / (1 + seconds * requests), rows / FILE_ROWS)

    @property
    def feedback(self) -> float:
        return self.workload.predictions_per_second * self.workload.feedback_share

    @property
    def feedback_objects(self) -> float:
        """What comes within a moment, at one gateway for one model, shares an object."""
        writers = self.gateways * self.workload.pipelines
        each = self.feedback / writers
        return writers * each / (1 + self.workload.feedback_gather_seconds * each)

    @property
    def recorded_objects(self) -> float:
        return self.log_files + self.feedback_objects

    @property
    def spans_per_pipeline(self) -> float:
        """How many spans a pipeline has by the end of the time for which drops are kept."""
        load = self.workload
        return load.drops_per_day * load.drop_days / load.pipelines

    @property
    def trainings_per_day(self) -> float:
        """Every dataset is trained on, but those that newer data overtakes while the pipeline is busy."""
        load = self.workload
        return min(load.drops_per_day, load.pipelines * DAY_SECONDS / (60 * load.training_minutes))

    @property
    def trainings_at_once(self) -> float:
        return self.trainings_per_day * self.workload.training_minutes * 60 / DAY_SECONDS

    @property
    def events(self) -> float:
        """Two for each drop, one for each recorded object, and those of trainings or of what gave way."""
        load = self.workload
        given_way = load.drops_per_day - self.trainings_per_day
        trained = self.trainings_per_day * measured.EVENTS_PER_TRAINING
        return 2 * load.drops_per_second + self.recorded_objects + (given_way + trained) / DAY_SECONDS

    @property
    def notifications(self) -> float:
        return self.workload.drops_per_second + self.recorded_objects

    @property
    def window_bytes(self) -> float:
        return self.workload.window_spans * self.workload.drop_bytes

    @property
    def ingest_cores(self) -> float:
        return self.workload.bytes_per_day / DAY_SECONDS / measured.INGEST_BYTES_PER_CORE_SECOND

    @property
    def pass_cores(self) -> float:
        passed = self.workload.drops_per_second * self.window_bytes
        return passed / measured.PASS_BYTES_PER_CORE_SECOND

    @property
    def pass_seconds(self) -> float:
        """How long a transform pod is at one drop, with the pass in its own process."""
        return guessed.LOAD_AND_INSERT_SECONDS + self.window_bytes / measured.PASS_BYTES_PER_SECOND

    @property
    def whole_pass_seconds(self) -> float:
        """The same without `data.last`: the pass reads every span that there is."""
        return self.spans_per_pipeline * self.workload.drop_bytes / measured.PASS_BYTES_PER_SECOND

    @property
    def passes_at_once(self) -> float:
        return self.workload.drops_per_second * self.pass_seconds
