"""Every metric of the trainer service."""

from prometheus_client import Counter, Gauge, Histogram

# Outcome: blessed, rejected, superseded (newer data came first). Rejections in a row say that the data
# changed; the events carry the reasons.
VERDICTS = Counter("tidemill_trainer_verdicts_total", "Trainings by outcome", ["outcome"])
# Staying above the number of pipelines says that data comes faster than models.
OPEN = Gauge("tidemill_trainer_open_trainings", "Trainings without a told verdict")
# From the intent to the verdict, time in the queue included.
TRAINING_SECONDS = Histogram(
    "tidemill_trainer_training_seconds",
    "Time from the intent to the verdict",
    buckets=(5, 10, 20, 40, 60, 120, 300, 600, 1800, 3600, 7200),
)
# Jobs that ended without a model; the last error is in the bucket, the rest in the job's log.
JOBS_FAILED = Counter("tidemill_trainer_jobs_failed_total", "Failed attempts at a training")
# The tracking server does not take what is recorded: models are served, but not found in MLflow.
RECORDINGS_FAILED = Counter("tidemill_trainer_recordings_failed_total", "Failed attempts at a recording")
