# Start: flask --app examples/smallest/app run. The chat is at http://127.0.0.1:5000/assistant.
from flask import Flask

from sluice import Sluice

app = Flask(__name__)
sluice = Sluice(app, url_prefix="/assistant")


@app.get("/")
def index() -> str:
    return '<a href="/assistant/">Ask the assistant</a>'
