"""tf.Transform on flights, in an environment of its own: `python peer_tf_transform.py FLIGHTS_CSV FOLDER`.

Reads the CSV file as its users do, with z-scores of 6 columns and vocabularies of 4, on Beam's in-memory
runner; transformed rows are counted, not written. Prints figures as `jobs.py` does.
"""

import json
import resource
import sys
import time
from pathlib import Path

import apache_beam as beam
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import schema_utils
from tfx_bsl.public import tfxio

RUNNER = ["--runner=FnApiRunner", "--direct_running_mode=in_memory", "--direct_num_workers=1"]
NUMBERS = ("sched_dep_time", "sched_arr_time", "distance", "hour", "minute", "flight")
TEXTS = ("carrier", "origin", "dest", "tailnum")


def preprocess(columns: dict[str, tf.SparseTensor]) -> dict[str, tf.SparseTensor]:
    """The analyses and what is done with them."""
    numbers = {name: tft.scale_to_z_score(columns[name]) for name in NUMBERS}
    return numbers | {name: tft.compute_and_apply_vocabulary(columns[name]) for name in TEXTS}


def main(file: str, folder: str) -> None:
    """Run the job and print its figures."""
    with Path(file).open() as rows:
        names = rows.readline().strip().split(",")
    kinds = {name: tf.float32 if name in NUMBERS else tf.string for name in names}
    features = {name: tf.io.VarLenFeature(kinds[name]) for name in names}
    schema = schema_utils.schema_from_feature_spec(features)
    source = tfxio.CsvTFXIO(file, names, skip_header_lines=1, schema=schema)
    wanted = source.Project([*NUMBERS, *TEXTS])
    wall, processor = time.perf_counter(), time.process_time()
    with (
        beam.Pipeline(options=beam.options.pipeline_options.PipelineOptions(RUNNER)) as pipeline,
        tft_beam.Context(temp_dir=folder),
    ):
        read = pipeline | "Read" >> wanted.BeamSource()
        (transformed, _), _ = (read, wanted.TensorAdapterConfig()) | tft_beam.AnalyzeAndTransformDataset(
            preprocess, output_record_batches=True
        )
        counted = transformed | beam.Map(lambda batch: batch[0].num_rows) | beam.CombineGlobally(sum)
        _ = counted | beam.io.WriteToText(f"{folder}/rows", shard_name_template="")
    rows_read = int(Path(folder, "rows").read_text())
    figures = {
        "seconds": time.perf_counter() - wall,
        "processor_seconds": time.process_time() - processor,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "rows": rows_read,
        "spent": {},
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
