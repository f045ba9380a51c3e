"""Runs the pass over one window by hand: the entry point of the flex template, or any other runner's.

The window is named as `dataset.ingested` names it, and read from the bucket. All other arguments are Beam's.
The dataset version is not committed here: transform does that when it next handles the span, from the report
that the job leaves.
"""

import argparse
from collections.abc import Sequence

from tidemill_contracts import layout
from tidemill_contracts.pipeline import parse_pipeline
from tidemill_runtime.objects import open_store
from tidemill_transform.cutoff import with_cutoff
from tidemill_transform.dataflow import is_dataflow, start
from tidemill_transform.plan import Plan
from tidemill_transform.planning import make_plan
from tidemill_transform.window import read_window


def main(arguments: Sequence[str] | None = None) -> None:
    """Start the pass, and wait for it: but not for a job of Dataflow, whose template's launcher must end."""
    given, beam_options = parser().parse_known_args(arguments)
    plan = plan_of(given.bucket_url, given.pipeline, given.spec_digest, given.span, beam_options)
    result = start(with_cutoff(plan))
    if not is_dataflow(beam_options):
        result.wait_until_finish()


def parser() -> argparse.ArgumentParser:
    """Describe the arguments that are not Beam's."""
    described = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    described.add_argument("--bucket_url", required=True, help="The bucket, gs://NAME or file:///FOLDER.")
    described.add_argument("--pipeline", required=True, help="Name of the pipeline.")
    described.add_argument("--spec_digest", required=True, help="Digest of the pinned spec.")
    described.add_argument("--span", required=True, type=int, help="Number of the window's newest span.")
    return described


def plan_of(bucket_url: str, pipeline: str, spec_digest: str, span: int, beam_options: Sequence[str]) -> Plan:
    """Plan the pass over the window that ends with a span; raise Unfit when its spec does not fit it."""
    store = open_store(bucket_url)
    spec = parse_pipeline(store.read(layout.pinned_spec(pipeline, spec_digest))).spec
    window = read_window(store, pipeline, spec_digest, span, spec)
    return make_plan(window, spec, store.uri, tuple(beam_options))
