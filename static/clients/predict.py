"""python3 predict.py http://127.0.0.1:8000 recording.m4a"""

import json
import sys
from pathlib import Path
from urllib.request import Request, urlopen

site, path = sys.argv[1:]
headers = {"Content-Type": "application/octet-stream"}
with urlopen(Request(f"{site}/predict", Path(path).read_bytes(), headers)) as response:
    answer = json.load(response)
print(answer["outcome"], answer["label"], answer["probabilities"])
