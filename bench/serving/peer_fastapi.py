"""FastAPI with pydantic bodies, and the model in its process: what one writes oneself."""

import os
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from peer_model import Model
from pydantic import BaseModel

app = FastAPI()
model = Model(Path(os.environ["MODEL"]))


class Row(BaseModel):
    age: float
    fnlwgt: float
    education_num: float
    capital_gain: float
    capital_loss: float
    hours_per_week: float
    workclass: str
    education: str
    marital_status: str
    occupation: str
    relationship: str
    race: str
    sex: str
    native_country: str


class Question(BaseModel):
    instances: list[Row]


class Answer(BaseModel):
    predictions: list[float]


@app.post("/v1/models/census:predict")
async def predict(question: Question) -> Answer:
    return Answer(predictions=model.predict([row.__dict__ for row in question.instances]))


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(os.environ["PORT"]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
