"""ModelInferResponse: tensors in typed lists, or raw beside them."""

from typing import Any

from tidemill_contracts import oip
from tidemill_gateway.calls import Arrays, Call
from tidemill_gateway.oip.binary import write_binary
from tidemill_gateway.oip.datatypes import of_output
from tidemill_gateway.oip.request import InferRequest


def write_message(request: InferRequest, call: Call, outputs: Arrays) -> Any:
    """Return the response; raises Refused when the protocol cannot carry an output.

    All outputs are raw when the inputs were, or when one of them cannot be sent otherwise.
    """
    response = oip.ModelInferResponse(model_name=call.ref.name, model_version=call.version, id=request.id)
    datatypes = {name: of_output(name, array) for name, array in outputs.items()}
    is_raw = request.binary_by_default or not all(each.contents for each in datatypes.values())
    for name, array in outputs.items():
        datatype = datatypes[name]
        entry = response.outputs.add(name=name, datatype=datatype.name, shape=array.shape)
        if is_raw:
            response.raw_output_contents.append(write_binary(array, datatype))
        else:
            getattr(entry.contents, datatype.contents).extend(array.ravel().tolist())
    return response
