"""Sends exported models requests in one process without kpt and Keras, and compares the answers; prints JSON.

Run as `python check_exports.py CHECK JOBS` with CHECK the path of `kpt/export/check_process.py`, whose functions do the
work, and JOBS a file with a JSON object: a job of it for each model.
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    main = runpy.run_path(sys.argv[1])["main"]
    jobs = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    found = {name: main(job) for name, job in jobs.items()}
    hidden = sorted({name.partition(".")[0] for name in sys.modules} & {"kpt", "keras", "keras_hub", "tokenizers"})
    print(json.dumps({"found": found, "modules": hidden}))
