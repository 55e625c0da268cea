"""What gunicorn loads: the app, with code and weights loaded before workers fork from it."""

import ml
from webapp import create_app
from webapp.scratch import private_folder

private_folder()  # Before anything is written or started that is to use it.
app = create_app()
app.extensions["challenger"].check()
try:
    app.extensions["analyser"].preload()
except ml.SerError:
    app.logger.exception("The model cannot be used; /health tells why")
