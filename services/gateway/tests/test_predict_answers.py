"""What TensorFlow Serving's predict protocol answers, item by item; ids name its list of facts."""

import httpx
import numpy as np
import pytest

ANSWERS = {
    "T17 values": ("half_plus_two", '{"instances":[2.0,3.0,4.0]}', '{"predictions":[3.0,3.5,4.0]}'),
    "T18 values": ("half_plus_two", '{"inputs":[2.0,3.0,4.0]}', '{"outputs":[3.0,3.5,4.0]}'),
    "T17 objects": ("half_plus_two", '{"instances":[{"x":2.0}]}', '{"predictions":[3.0]}'),
    "T18 object": ("half_plus_two", '{"inputs":{"x":[2]}}', '{"outputs":[3.0]}'),
    "T18 scalar": ("half_plus_two", '{"inputs":2}', '{"outputs":3.0}'),
    "T17 lists": ("half_plus_two", '{"instances":[[2,4],[6,8]]}', '{"predictions":[[3.0,4.0],[5.0,6.0]]}'),
    "T18 extra name": ("half_plus_two", '{"inputs":{"x":[2],"z":"?"}}', '{"outputs":[3.0]}'),
    "T14 named signature": (
        "half_plus_two",
        '{"signature_name":"other","instances":[2]}',
        '{"predictions":[3.0]}',
    ),
    "T14 other keys": ("half_plus_two", '{"instances":[2],"more":{}}', '{"predictions":[3.0]}'),
    "T15 what follows": ("half_plus_two", '{"instances":[2]} and so on', '{"predictions":[3.0]}'),
    "T15 byte order mark": ("half_plus_two", '\ufeff{"instances":[2]}', '{"predictions":[3.0]}'),
    "T22 several outputs by row, one unseen category": (
        "flights",
        '{"instances":[{"carrier":"UA","distance":250,"night":true},{"night":false,"carrier":"??","distance":1}]}',
        (
            '{"predictions":[{"carrier":"UA","late":0.25,"night":true,"raw_bytes":{"b64":"VUE="}},'
            '{"carrier":"??","late":0.5,"night":false,"raw_bytes":{"b64":"Pz8="}}]}'
        ),
    ),
    "T22 several outputs by row, text with commas": (
        "flights",
        '{"instances":[{"carrier":"a,b","distance":1,"night":false},{"carrier":"c","distance":1,"night":false}]}',
        (
            '{"predictions":[{"carrier":"a,b","late":0.5,"night":false,"raw_bytes":{"b64":"YSxi"}},'
            '{"carrier":"c","late":0.5,"night":false,"raw_bytes":{"b64":"Yw=="}}]}'
        ),
    ),
    "T22 several outputs by column": (
        "flights",
        '{"inputs":{"carrier":["UA"],"distance":[250],"night":[true]}}',
        '{"outputs":{"carrier":["UA"],"late":[0.25],"night":[true],"raw_bytes":[{"b64":"VUE="}]}}',
    ),
    "T22 several matrices": (
        "matrix",
        '{"instances":[1]}',
        '{"predictions":[{"a":[1.0,0.0],"b":["p"]},{"a":[0.0,1.0],"b":["q"]}]}',
    ),
    "T22 scalar by column": ("scalar", '{"inputs":1}', '{"outputs":1.0}'),
    "T22 uneven by column": ("uneven", '{"inputs":1}', '{"outputs":{"a":[0.0,0.0],"b":[0.0,0.0,0.0]}}'),
    "T22 no rows": ("nothing", '{"instances":[1]}', '{"predictions":[]}'),
    "T22 no rows of several": ("no_rows", '{"instances":[1]}', '{"predictions":[]}'),
    "T19 int64": (
        "echo_int64",
        '{"instances":[9223372036854775807]}',
        '{"predictions":[9223372036854775807]}',
    ),
    "T19 uint64": (
        "echo_uint64",
        '{"instances":[18446744073709551615]}',
        '{"predictions":[18446744073709551615]}',
    ),
    "T19 int8": ("echo_int8", '{"inputs":-128}', '{"outputs":-128}'),
    "T19 bool": ("echo_bool", '{"instances":[true,false]}', '{"predictions":[true,false]}'),
    "T19 too big for float": (
        "echo_float",
        '{"instances":[1e39,-1e39,1e400]}',
        '{"predictions":[Infinity,-Infinity,Infinity]}',
    ),
    "T19 integer beyond 64 bits": (
        "echo_float",
        '{"instances":[18446744073709551616]}',
        '{"predictions":[1.8446744e+19]}',
    ),
    "T20 mixed": ("echo_string", '{"instances":["a",{"b64":"YgA="}]}', '{"predictions":["a","b\\u0000"]}'),
    "T20 no padding": ("echo_string", '{"instances":[{"b64":"aGk"}]}', '{"predictions":["hi"]}'),
    "T20 nested text": ("echo_string", '{"instances":[[["é"]]]}', '{"predictions":[[["é"]]]}'),
    "T23 float": (
        "echo_float",
        '{"instances":[0.1,3,999999,9000000,0.00003,-0.0,0.33333334]}',
        '{"predictions":[0.1,3.0,999999.0,9e+06,3e-05,-0.0,0.33333334]}',
    ),
    "T23 double": (
        "echo_double",
        '{"instances":[0.1,1e22,0.3333333333333333,12345678]}',
        '{"predictions":[0.1,1e+22,0.3333333333333333,12345678.0]}',
    ),
    "T24 by row": (
        "echo_float",
        '{"instances":[NaN,Infinity,-Infinity,1]}',
        '{"predictions":[NaN,Infinity,-Infinity,1.0]}',
    ),
    "T24 by column": ("echo_double", '{"inputs":[[NaN],[2]]}', '{"outputs":[[NaN],[2.0]]}'),
    "T24 scalar": ("echo_double", '{"inputs":NaN}', '{"outputs":NaN}'),
}


@pytest.mark.parametrize(("model", "body", "answer"), ANSWERS.values(), ids=ANSWERS)
def test_what_fits_is_answered(client: httpx.Client, model: str, body: str, answer: str) -> None:
    response = client.post(f"/v1/models/{model}:predict", content=body.encode())

    assert (response.status_code, response.text) == (200, answer)


def test_a_large_batch_keeps_its_order(client: httpx.Client) -> None:
    values = np.arange(10_000) / 2

    response = client.post("/v1/models/half_plus_two:predict", json={"instances": values.tolist()})

    assert response.json()["predictions"] == (values / 2 + 2).tolist()
